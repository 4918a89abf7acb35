"""Sources in every form, and every way a source file can be wrong: nothing is written before it is right."""

import sqlite3
from datetime import date

import pytest
import yaml

from pipelines.errors import PurseError
from pipelines.ingest.step import ingest
from pipelines.lake import tables
from pipelines.validate.step import validate

CSV = """when,who,what,n,price
2024-01-01,ann,apple,2,1.50
2024-01-02,bob,pear,1,3.00
2024-13-01,cid,pear,1,3.00
2024-01-02,ann,apple,-1,1.50
"""
COLUMNS = {
    "order_id": 'who || "when"',
    "product_id": "what",
    "line": "_line",
    "user_id": "who",
    "ordered_at": '"when"',
    "quantity": "n",
    "unit_price": "price",
    "amount": "n::DOUBLE * price::DOUBLE",
}


@pytest.fixture
def shop(tmp_path, settings):
    """Write a shop's orders.csv and its source file; keywords change the order_lines part."""

    def make(text=CSV, name="orders.csv", **changes):
        (tmp_path / name).write_text(text)
        order_lines = {"from": {"files": name}, "columns": COLUMNS} | changes
        path = tmp_path / "shop.yaml"
        path.write_text(yaml.safe_dump({"title": "A shop", "tables": {"order_lines": order_lines}}))
        return settings.with_changes(source=str(path))

    return make


def staged(settings):
    return tables.read(tables.connect(), settings, "staging/order_lines").order_by("source_line").to_pandas()


def test_csv_rows_are_typed_dated_and_their_faults_named(shop):
    result = ingest(shop())
    assert result.tables["order_lines"].rows == 4
    assert (result.from_date, result.to_date) == (date(2024, 1, 1), date(2024, 1, 3))
    rows = staged(shop())
    assert list(rows.amount) == [3.0, 3.0, 3.0, -1.5]
    assert list(rows.source_line) == [1, 2, 3, 4]
    assert rows.fault.notna().tolist() == [False, False, True, False]
    assert "ordered_at is not a TIMESTAMP" in rows.fault[2]
    assert "2024-13-01" in rows.fault[2]
    assert rows.day[2].date() == tables.UNDATED


def test_a_day_is_replaced_and_the_others_stay(shop):
    ingest(shop())
    ingest(shop(CSV.replace("pear,1,3.00", "pear,5,3.00")), date(2024, 1, 2), date(2024, 1, 3))
    rows = staged(shop())
    assert len(rows) == 4
    assert rows.set_index("source_line").quantity.to_dict() == {1: 2, 2: 5, 3: 5, 4: -1}


def test_without_a_range_the_newest_validated_days_are_loaded_once_more(shop):
    text = CSV + "".join(f"2024-01-{day:02},ann,apple,1,1.50\n" for day in range(3, 9))
    assert ingest(shop(text)).from_date == date(2024, 1, 1)
    assert ingest(shop(text)).from_date == date(2024, 1, 1)  # staged but not validated yet: as after a kill
    validate(shop(text).with_changes(ingest__max_quarantined_share=1.0))
    assert ingest(shop(text)).from_date == date(2024, 1, 5)
    assert ingest(shop(text).with_changes(ingest__lookback_days=0)).from_date == date(2024, 1, 8)
    assert ingest(shop(text).with_changes(ingest__lookback_days=30)).from_date == date(2024, 1, 1)


def test_without_a_range_users_who_are_known_before_the_first_order_are_loaded_too(shop, tmp_path):
    settings = shop()
    (tmp_path / "users.csv").write_text("who,since\nann,2023-12-24\nbob,2024-01-02\ndan,2024-01-09\n")
    path = tmp_path / "shop.yaml"
    source = yaml.safe_load(path.read_text())
    columns = {"user_id": "who", "valid_from": "since"}
    source["tables"]["users"] = {"from": {"files": "users.csv"}, "columns": columns}
    path.write_text(yaml.safe_dump(source))
    result = ingest(settings)
    assert (result.from_date, result.to_date) == (date(2023, 12, 24), date(2024, 1, 10))
    assert result.tables["users"].rows == 3
    validate(settings.with_changes(ingest__max_quarantined_share=1.0))
    assert ingest(settings.with_changes(ingest__lookback_days=0)).from_date == date(2024, 1, 2)  # with the orders


def test_a_file_that_breaks_off_is_told_before_anything_is_written(shop):
    settings = shop(CSV + "2024-01-02,bob,pear,1,3.00\n" * 30_000 + '2024-01-02,"bob,pear\n')
    with pytest.raises(PurseError, match=r"breaks off|cannot be read"):
        ingest(settings)
    assert not tables.exists(settings, "staging/order_lines")


def test_a_day_without_data_is_no_error(shop):
    result = ingest(shop(), date(2024, 2, 1), date(2024, 2, 2))
    assert result.tables["order_lines"].rows == 1  # the undated row


@pytest.mark.parametrize("ending", ["parquet", "json"])
def test_other_formats(shop, tmp_path, ending):
    settings = shop()
    import duckdb

    copied = duckdb.read_csv(str(tmp_path / "orders.csv"), all_varchar=True)
    getattr(copied, "write_parquet", None)
    duckdb.sql(f"COPY copied TO '{tmp_path / f'orders.{ending}'}' (FORMAT {ending})")
    ingest(shop(**{"from": {"files": f"orders.{ending}"}}))
    assert list(staged(settings).amount) == [3.0, 3.0, 3.0, -1.5]


def test_a_query_over_a_connection_named_by_the_environment(shop, tmp_path, monkeypatch):
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute('CREATE TABLE orders ("when" TEXT, who TEXT, what TEXT, n INTEGER, price REAL)')
        database.execute("INSERT INTO orders VALUES ('2024-01-01', 'ann', 'apple', 2, 1.5)")
    origin = {"sql": "SELECT * FROM orders", "connection": "${SHOP_DATABASE}"}
    with pytest.raises(PurseError, match="needs the environment variable SHOP_DATABASE"):
        ingest(shop(**{"from": origin}))
    monkeypatch.setenv("SHOP_DATABASE", f"sqlite:///{tmp_path / 'shop.db'}")
    ingest(shop(**{"from": origin}))
    assert staged(shop(**{"from": origin})).amount.tolist() == [3.0]


def columns(**changes):
    return {"columns": COLUMNS | changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"form": {}}, r"tables.order_lines.form: unknown key"),
        (columns(colour="what"), "'colour' is unknown; the table has order_id"),
        ({"columns": {k: v for k, v in COLUMNS.items() if k != "amount"}}, "'amount' is missing"),
        (columns(amount="n * prize"), r"columns.amount: the SQL expression 'n \* prize' doesn't fit(.|\n)*when, who"),
        (columns(amount="n * ("), "columns.amount: the SQL expression"),
        ({"where": "n >"}, r"tables.order_lines.where: the SQL expression"),
        ({"where": "n = '77'"}, "gives no rows"),
        ({"from": {"files": "nowhere-*.csv"}}, "'files: nowhere-.*' matches nothing"),
        ({"from": {"package": "no-such-package", "file": "x"}}, "package 'no-such-package' is not installed"),
        ({"from": {"files": "orders.csv", "sql": "SELECT 1", "connection": "x"}}, "give exactly one of 'files'"),
        ({"from": {"files": "orders.csv", "options": {"no_such": 1}}}, "csv files have no option .no_such."),
        ({"from": {"sql": "SELECT 1", "connection": "sqlite:////no/such/folder/x.db"}}, "the query failed"),
    ],
)
def test_a_wrong_source_file_is_named_before_anything_is_written(shop, changes, message):
    settings = shop(**changes)
    with pytest.raises(PurseError, match=message):
        ingest(settings)
    assert not tables.exists(settings, "staging/order_lines")


def test_a_corrupt_file(shop, tmp_path):
    settings = shop(**{"from": {"files": "orders.parquet"}})
    (tmp_path / "orders.parquet").write_bytes(b"PAR1 but cut off")
    with pytest.raises(PurseError, match="cannot be read as parquet"):
        ingest(settings)


def test_an_unknown_source_lists_the_known(settings):
    with pytest.raises(PurseError, match="Known sources: cdnow, marketplace, tafeng"):
        ingest(settings.with_changes(source="nowhere"))


def test_not_yaml(settings, tmp_path):
    (tmp_path / "bad.yaml").write_text("title: [")
    with pytest.raises(PurseError, match="is not YAML"):
        ingest(settings.with_changes(source=str(tmp_path / "bad.yaml")))
