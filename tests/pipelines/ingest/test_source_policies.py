"""What a source declares: encodings, time zones, currencies, which of two copies is kept; and rows that came late."""

import csv
import gzip
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from pipelines.build_features.daily_tables import refresh
from pipelines.errors import PurseError
from pipelines.ingest.step import ingest
from pipelines.lake import changes as same_rows
from pipelines.lake import commit_log
from pipelines.lake import tables as lake
from pipelines.results.data import StagedRows
from pipelines.validate.step import validate
from tests.samples import COLUMNS

HEADER = ["no", "what", "who", "moment", "n", "price", "money"]


def line(no, at="2024-03-05 10:00:00", price=1.0, money="EUR", what="apple", n=1):
    return [no, what, f"user-{no}", at, n, price, money]


@pytest.fixture
def shop(tmp_path, settings):
    """Write order files of lines and a source; keywords of `order_lines` in `table`, others on top."""

    def make(lines, table=None, encoding="utf-8", name="orders.csv", **top):
        opened = gzip.open if name.endswith(".gz") else open
        with opened(tmp_path / name, "wt", encoding=encoding, newline="", errors="surrogateescape") as file:
            csv.writer(file).writerows([HEADER, *lines])
        order_lines = {"from": {"files": name}, "columns": COLUMNS} | (table or {})
        path = tmp_path / "shop.yaml"
        path.write_text(yaml.safe_dump({"title": "A shop", "tables": {"order_lines": order_lines}, **top}))
        return settings.with_changes(source=str(path), ingest__max_quarantined_share=1.0)

    return make


def rows(settings, table="staging/order_lines"):
    found = lake.read(lake.connect(), settings, table).to_pandas()
    return found.sort_values(["source_file", "source_line"] if "source_line" in found else "order_id")


@pytest.mark.parametrize(
    ("name", "encoding", "what"),
    [
        ("orders.csv", "latin-1", "Käse"),
        ("orders.csv", "shift_jis", "りんご"),
        ("orders.csv", "utf-16", "Ж"),
        ("orders.csv.gz", "gb18030", "苹果"),
    ],
)
def test_text_in_any_encoding(shop, tmp_path, encoding, what, name):
    origin = {"files": name, "encoding": encoding}
    settings = shop([line(n, what=what) for n in range(3)], {"from": origin}, encoding, name)
    ingest(settings)
    assert rows(settings).product_id.tolist() == [what] * 3
    assert rows(settings).source_file.unique().tolist() == [str(tmp_path / name)]
    shop([line(7, what=what)], {"from": origin}, encoding, name)  # another file of the same name is not the copy
    ingest(settings, replace=True)
    assert rows(settings).order_id.tolist() == ["7"]


def test_bytes_that_are_not_of_the_encoding_are_named_with_their_line(shop, tmp_path):
    settings = shop([line(n) for n in range(40_000)], {"from": {"files": "orders.csv", "encoding": "shift_jis"}})
    path = tmp_path / "orders.csv"
    content = path.read_bytes().split(b"\n")
    content[35_000] = b"\x81\x20" + content[35_000]
    path.write_bytes(b"\n".join(content))
    with pytest.raises(PurseError, match=r"orders.csv line 35001: the bytes 0x81.* are not shift_jis.*Set 'encoding'"):
        ingest(settings)
    assert not lake.exists(settings, "staging/order_lines")


def test_text_that_is_not_utf_8_asks_for_its_encoding(shop):
    with pytest.raises(PurseError, match="'encoding'"):
        ingest(shop([line(1, what="Käse")], encoding="latin-1"))


BERLIN = ZoneInfo("Europe/Berlin")
INSTANTS = [datetime(2024, 3, 30, 22, 59, tzinfo=ZoneInfo("UTC")) + timedelta(minutes=30 * n) for n in range(8)] + [
    datetime(2024, 10, 26, 21, 30, tzinfo=ZoneInfo("UTC")) + timedelta(minutes=30 * n) for n in range(10)
]
"""Around midnight and around both changes of the clock."""


@pytest.mark.parametrize("written", ["+00:00", "America/New_York", "Asia/Kolkata", "Z"])
def test_an_instant_belongs_to_the_shops_own_day(shop, written):
    zone = ZoneInfo("UTC") if written in ("+00:00", "Z") else ZoneInfo(written)
    texts = [
        at.astimezone(zone).isoformat().replace("+00:00", written if written == "Z" else "+00:00") for at in INSTANTS
    ]
    settings = shop([line(n, text) for n, text in enumerate(texts)], timezone="Europe/Berlin")
    ingest(settings)
    local = [at.astimezone(BERLIN).replace(tzinfo=None) for at in INSTANTS]
    found = rows(settings)
    assert found.ordered_at.tolist() == local
    assert [day.date() for day in found.day] == [at.date() for at in local]


def test_a_time_stamp_without_a_zone_is_the_shops_own(shop):
    settings = shop(
        [line(1, "2024-07-01 00:30:00"), line(2, "2024-07-01"), line(3, "nonsense")], timezone="Asia/Taipei"
    )
    ingest(settings)
    assert rows(settings).ordered_at.tolist()[:2] == [datetime(2024, 7, 1, 0, 30), datetime(2024, 7, 1)]  # noqa: DTZ001
    assert "ordered_at is not a TIMESTAMP" in rows(settings).fault.iloc[2]


@pytest.mark.parametrize(
    "odd",
    ["0001-01-01 00:00:00", "0025-05-03", "9999-12-31 23:59:59", "infinity", "-infinity", "57382-01-01", "1899-12-31"],
)
def test_a_time_out_of_range_is_one_unreadable_row(shop, odd):
    settings = shop([line(1, "2024-07-01 00:30:00"), line(2, odd)])
    found = ingest(settings)
    assert (found.from_date, found.to_date) == (date(2024, 7, 1), date(2024, 7, 2))
    assert rows(settings).fault.notna().tolist() == [False, True]
    assert "ordered_at is not a TIMESTAMP" in rows(settings).fault.iloc[1]


def test_instants_of_parquet_too(shop, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = {"from": {"files": "orders.parquet"}}
    settings = shop([line(1)], table, timezone="Europe/Berlin")
    columns = {name: [value] * len(INSTANTS) for name, value in zip(HEADER, line(1), strict=True)}
    columns["no"] = list(range(len(INSTANTS)))
    columns["moment"] = pa.array(INSTANTS, pa.timestamp("us", "UTC"))
    pq.write_table(pa.table(columns), tmp_path / "orders.parquet")
    ingest(settings)
    found = rows(settings)
    assert found.ordered_at.tolist() == [at.astimezone(BERLIN).replace(tzinfo=None) for at in INSTANTS]
    assert found.source_line.tolist() == list(range(1, len(INSTANTS) + 1))


RATES = "currency,valid_from,rate\nUSD,2024-03-04,0.5\nusd,2024-03-06,0.25\nJPY,2024-03-01,0.01\n"
MONEY = {"currency": {"code": "EUR", "rates": {"files": "rates.csv"}}}


@pytest.fixture
def priced(shop, tmp_path):
    """A shop whose lines have a price of 8 in their currency."""

    def make(lines, rates=RATES, **table):
        (tmp_path / "rates.csv").write_text(rates)
        columns = COLUMNS | {"discount": "2", "unit_cost": "4"}
        return shop(lines, {"currency": "money", "columns": columns} | table, **MONEY)

    return make


def test_money_is_converted_with_the_rate_of_its_day(priced):
    days = ["2024-03-04", "2024-03-05 23:59:59", "2024-03-06 00:00:00", "2024-05-01"]
    lines = [line(n, day, 8, "usd" if n % 2 else "USD") for n, day in enumerate(days)]
    settings = priced([*lines, line(4, price=8, money="EUR"), line(5, price=8, money="JPY", n=-1)])
    ingest(settings)
    found = rows(settings)
    rates = [0.5, 0.5, 0.25, 0.25, 1.0, 0.01]
    assert found.unit_price.tolist() == [8 * rate for rate in rates]
    assert found.amount.tolist() == [8 * rate for rate in rates[:-1]] + [-0.08]
    assert found.discount.tolist() == [2 * rate for rate in rates]
    assert found.unit_cost.tolist() == [4 * rate for rate in rates]
    assert found.quantity.tolist() == [1] * 5 + [-1]
    assert found.fault.isna().all()


def test_a_line_without_a_rate_goes_to_quarantine_and_says_why(priced):
    unknown = [line(2, "2024-03-03", 8, "USD"), line(3, price=8, money="CHF"), line(4, price=8, money="")]
    settings = priced([line(1, price=8, money="USD"), *unknown])
    ingest(settings)
    validate(settings)
    assert rows(settings, "raw/order_lines").amount.tolist() == [4.0]
    told = [fault.split(";")[0] for fault in rows(settings, "quarantine/order_lines").fault]
    assert told == ["no rate of USD on 2024-03-03", "no rate of CHF on 2024-03-05", "its currency is missing"]


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ("currency,day,rate\nUSD,2024-01-01,1\n", "'valid_from' is missing among currency, day, rate"),
        (RATES + "GBP,2024-03-04,0\n", r"rates.csv line 4: expected .* a rate above 0, found 'GBP, 2024-03-04, 0'"),
        (RATES + "GBP,soon,1\n", "rates.csv line 4"),
        (RATES + "GBP,,1\n", "found 'an empty value'"),
        (RATES + "JPY,2024-03-01,0.02\n", "rates.csv: expected one rate of JPY from 2024-03-01, found 2"),
    ],
)
def test_rates_that_cannot_be_meant(priced, rates, message):
    settings = priced([line(1)], rates)
    with pytest.raises(PurseError, match=message):
        ingest(settings)


@pytest.mark.parametrize(
    ("table", "top", "message"),
    [
        ({"currency": "money"}, {}, "give both 'currency'"),
        ({}, MONEY, "give both 'currency'"),
        ({"currency": "coin"}, MONEY, "tables.order_lines.currency: the SQL expression 'coin' doesn't fit"),
        ({}, {"timezone": "Europe/Berlln"}, "timezone: expected an IANA time zone.* found 'Europe/Berlln'"),
        ({"from": {"files": "orders.csv", "encoding": "latin-99"}}, {}, "expected an encoding .* found 'latin-99'"),
        ({"duplicates": "both"}, {}, "duplicates"),
        ({"columns": COLUMNS | {"user_id": False}}, {}, "user_id: expected text, found False; put quotes around it"),
        (
            {"currency": "money"},
            {"currency": MONEY["currency"] | {"code": "Francs"}},
            "expected a currency code .* found 'Francs'",
        ),
        (
            {"columns": COLUMNS | {"ordered_at": "n::BIGINT"}},
            {},
            "no row .* has a readable 'ordered_at'.*not a TIMESTAMP",
        ),
    ],
)
def test_declarations_that_do_not_fit(shop, tmp_path, table, top, message):
    (tmp_path / "rates.csv").write_text(RATES)
    with pytest.raises(PurseError, match=message):
        ingest(shop([line(1)], table, **top))


@pytest.mark.parametrize(("kept", "price"), [("first", 1.0), ("last", 3.0)])
def test_of_the_rows_of_one_key_one_is_kept_and_the_others_say_why(shop, kept, price):
    lines = [line(1, price=1), line(2, price=7), line(1, price=2), line(1, price=3), line(1, price="much")]
    settings = shop(lines, {"duplicates": kept})
    ingest(settings)
    validate(settings)
    assert rows(settings, "raw/order_lines").unit_price.tolist() == [price, 7.0]
    refused = rows(settings, "quarantine/order_lines")
    broken = "first_of_its_key" if kept == "first" else "not_replaced"
    assert refused.reason.tolist() == [broken, broken, "readable, amount_not_null"]
    if kept == "last":
        replaced = refused.fault.tolist()
        assert "line 3, which has the same order_id, product_id, line" in replaced[0]
        assert "line 4, which has the same order_id, product_id, line" in replaced[1]


def test_lines_that_were_exported_again_are_no_faults_that_stop_a_run(shop):
    lines = [line(1), line(2), line(3)]
    settings = shop([*lines, *lines, *lines], {"duplicates": "last"}).with_changes(ingest__max_quarantined_share=0.0)
    ingest(settings)
    counts = validate(settings).tables["order_lines"]
    assert (counts.rows_kept, counts.rows_quarantined) == (3, 6)
    settings = shop([*lines, *lines, line(4, n=0)], {"duplicates": "last"}).with_changes(
        ingest__max_quarantined_share=0.0
    )
    ingest(settings)
    with pytest.raises(
        PurseError, match=r"1 of 4 rows break a critical rule(.|\n)*orders.csv line 7: quantity_not_zero"
    ):
        validate(settings)


def days(settings, table):
    return commit_log.files(lake.open_table(settings, table))


def test_a_late_row_comes_in_and_only_its_day_is_computed_again(shop):
    lines = [line(n, f"2024-03-{n:02} 10:00:00") for n in range(1, 11)]
    settings = shop(lines)
    ingest(settings)
    validate(settings)
    assert refresh(settings, lake.connect()) == {"user_day": 10, "user_category_day": 10}
    before = days(settings, "raw/order_lines")
    shop([*lines, line(21, "2024-03-08 23:00:00"), line(22, "2024-03-11 09:00:00"), line(20, "2024-03-02 09:00:00")])
    result = ingest(settings)
    assert (result.from_date, result.to_date) == (date(2024, 3, 7), date(2024, 3, 12))
    validate(settings)
    after = days(settings, "raw/order_lines")
    changed = {day.day for day in after if before.get(day) != after[day]}
    assert changed == {8, 11}  # and what came later than that is asked for by its day
    assert refresh(settings, lake.connect())["user_category_day"] == 2
    ingest(settings, datetime(2024, 3, 2).date(), datetime(2024, 3, 3).date())  # noqa: DTZ001
    validate(settings)
    assert len(rows(settings, "raw/order_lines")) == 13


def quarantined(settings):
    found = rows(settings, "quarantine/order_lines")[["reason", "fault", "source_line"]]
    return found.sort_values("source_line", ignore_index=True)


def test_rows_that_are_the_same_leave_every_table_as_it_is(shop):
    settings = shop([line(n, f"2024-03-{n:02} 10:00:00") for n in range(1, 6)] + [line(9, "never"), line(8, n=0)])
    ingest(settings)
    validate(settings)
    refresh(settings, lake.connect())
    tables = ["staging/order_lines", "raw/order_lines", "user_day"]
    before, refused = [days(settings, table) for table in tables], quarantined(settings)
    ingest(settings, datetime(2024, 3, 1).date())  # noqa: DTZ001
    validate(settings)
    assert set(refresh(settings, lake.connect()).values()) == {0}
    assert [days(settings, table) for table in tables] == before
    assert quarantined(settings).equals(refused)


def test_a_row_that_disappears_is_replaced_and_a_day_that_empties_only_on_purpose(shop):
    settings = shop([line(n, f"2024-03-{n % 3 + 1:02}") for n in range(9)])
    ingest(settings)
    shop([line(n, f"2024-03-{n % 3 + 1:02}") for n in range(9) if n % 3 != 1 and n != 0])
    ingest(settings, datetime(2024, 3, 1).date(), datetime(2024, 3, 4).date())  # noqa: DTZ001
    assert {day.day: len(days) for day, days in rows(settings).groupby("day")} == {1: 2, 2: 3, 3: 3}
    ingest(settings, datetime(2024, 3, 1).date(), datetime(2024, 3, 4).date(), replace=True)  # noqa: DTZ001
    assert {day.day: len(days) for day, days in rows(settings).groupby("day")} == {1: 2, 3: 3}


def test_a_long_range_is_handed_over_in_portions(shop, monkeypatch):
    lines = [line(n, f"2024-03-{n % 20 + 1:02}") for n in range(100)]
    settings = shop(lines)
    monkeypatch.setattr("pipelines.ingest.step.ROWS_AT_ONCE", 12)
    handed = []
    replaced = same_rows.replace_changed
    monkeypatch.setattr(
        "pipelines.ingest.step.replace_changed", lambda *given: handed.append(given[2].num_rows) or replaced(*given)
    )
    assert ingest(settings).tables["order_lines"] == StagedRows(rows=100, days=20)
    assert handed == [10] * 10 + [0]
    assert sorted(rows(settings).order_id) == sorted(str(n) for n in range(100))


def test_nothing_is_left_of_what_ingest_put_aside(shop):
    settings = shop([line(1)])
    ingest(settings)
    assert list(Path(settings.home_path / "cache").iterdir()) == []


def test_a_home_holds_one_shop(shop):
    settings = shop([line(1)])
    ingest(settings)
    with pytest.raises(PurseError, match=r"holds the shop 'A shop', and .* is 'Another'.*PURSE_HOME"):
        ingest(shop([line(2)], title="Another"))
    assert rows(settings).order_id.tolist() == ["1"]
