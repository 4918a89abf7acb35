"""Ids of one user in two forms, of nobody, of tests and of bots; repeated totals and lines of overlapping exports."""

import csv

import pytest
import yaml

from pipelines.errors import Mistake
from pipelines.ingest.step import ingest
from pipelines.lake import tables
from pipelines.source.definition import load_source
from pipelines.source.ids import FORMS, in_form, text_in_form
from pipelines.validate.step import validate

COLUMNS = {
    "order_id": "ordered",
    "product_id": "product",
    "line": "pos",
    "user_id": "who",
    "ordered_at": "at",
    "quantity": "units",
    "unit_price": "price",
    "amount": "amount",
}
NAMES = tuple(COLUMNS.values())


@pytest.fixture
def shop(tmp_path, settings):
    """Write CSV files of rows (order, product, line, user, time, units, price, amount) and a source over them."""

    def make(*files, **keys):
        for number, rows in enumerate(files):
            with (tmp_path / f"orders-{number}.csv").open("w", newline="") as file:
                csv.writer(file).writerows([NAMES, *rows])
        lines = {"from": {"files": "orders-*.csv"}, "columns": COLUMNS}
        path = tmp_path / "shop.yaml"
        path.write_text(yaml.safe_dump({"title": "A shop", "tables": {"order_lines": lines}, **keys}))
        return settings.with_changes(source=str(path))

    return make


def orders(users, first=0):
    """One order of 5.00 for each user, spread over ten days."""
    return [
        (f"o{n + first}", "p", 1, user, f"2025-01-{n % 10 + 1:02} 10:00:00", 1, 5, 5) for n, user in enumerate(users)
    ]


def loaded(settings):
    ingest(settings)
    return validate(settings)


def odd(settings):
    rows = tables.read(tables.connect(), settings, "odd_ids").to_pandas()
    return rows.sort_values(["kind", "user_id"])[["kind", "user_id", "same_as", "rows"]].to_numpy().tolist()


def people(settings):
    return sorted(tables.read(tables.connect(), settings, "raw/order_lines").to_pandas().user_id)


FORMS_OF_ONE = ["17850", "17850.0", "017850", "Ann@Example.org", "ann@example.org"]


def test_ids_that_differ_by_form_are_reported_and_their_names_are_in_the_lake(shop):
    settings = shop(orders(FORMS_OF_ONE))
    found = loaded(settings).tables["order_lines"].warnings
    assert any("2 user ids would be 1 with 'ids: [lower]'" in text and "worth about 10.00" in text for text in found)
    assert any("3 user ids would be 1 with 'ids: [integer]'" in text for text in found)
    assert not any("Ann" in text or "17850" in text for text in found)
    assert ["integer", "17850.0", "17850", 1] in odd(settings)
    assert ["lower", "Ann@Example.org", "ann@example.org", 1] in odd(settings)


def test_ids_in_their_forms_are_one_user_and_nothing_is_reported(shop):
    settings = shop(orders([*FORMS_OF_ONE, " 17850"]), ids=["trim", "lower", "integer"])
    assert loaded(settings).tables["order_lines"].rows_kept == 6
    assert people(settings) == ["17850"] * 4 + ["ann@example.org"] * 2
    assert not tables.exists(settings, "odd_ids")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "text", [" a\u00a0", "ÄB", "0", "000", "-1", "+07.00", "1.50", "1e5", "٣", "", "0x1F", "12.0.0", "İstanbul"[1:]]
)
def test_the_live_service_and_the_batch_agree_on_a_form(connection, form, text):
    sql = in_form("'" + text + "'", [form])
    assert connection.raw_sql(f"SELECT {sql}").fetchall() == [(text_in_form(text, [form]),)]


def test_nobodys_ids_are_reported_by_name_with_their_money(shop):
    settings = shop(orders(["guest"] * 30 + ["0"] * 10 + [f"u{n}" for n in range(60)]))
    (told,) = [
        text for text in loaded(settings).warnings if ("nobody" in text and "looks" in text) or "look like" in text
    ]
    assert "'guest', '0' look like nobody's id, with 40.0% of all rows, worth about 200.00 (40.0% of money)" in told
    assert "nobody: ['guest', '0']" in told


def test_nobody_is_left_out_without_a_fault(shop):
    settings = shop(orders(["Guest "] * 30 + ["0"] * 10 + [f"u{n}" for n in range(60)]), nobody=[0, "guest"])
    found = loaded(settings).tables["order_lines"]
    assert (found.rows_kept, found.rows_quarantined) == (60, 40)  # far above the limit for faults
    assert found.reasons["of_somebody"] == 40
    assert any("40 of 100 rows break 'of_somebody', worth about 200.00" in text for text in found.warnings)
    assert len(people(settings)) == 60


def test_a_bot_and_tests_are_counted_and_named_in_the_lake(shop):
    users = [f"u{n}" for n in range(100)] + ["till-7"] * 40 + ["test", "Test-2", "contest"]
    settings = shop(orders(users))
    found = loaded(settings).warnings
    assert any("one user id has 40 of 143 rows (28.0%), 40 times the 99th percentile" in text for text in found)
    assert any("2 user ids look like tests; they have 2 rows, worth about 10.00" in text for text in found)
    assert [row[:2] for row in odd(settings)] == [["large", "till-7"], ["test", "Test-2"], ["test", "test"]]


def test_a_shop_of_people_has_nothing_to_look_at(shop):
    settings = shop(orders([f"u{n % 40}" for n in range(200)]))
    assert loaded(settings).warnings == []
    assert not tables.exists(settings, "odd_ids")


def test_an_orders_total_on_each_of_its_lines_is_noticed(shop):
    rows = [
        (f"o{n}", product, line, f"u{n}", f"2025-01-{n % 10 + 1:02} 10:00:00", 1, price, 30 + n)
        for n in range(25)
        for line, (product, price) in enumerate([("a", 10), ("b", 20 + n)], 1)
    ]
    (told,) = [text for text in loaded(shop(rows)).warnings if "order's total" in text]
    assert "25 of 25 orders of several products have one amount on every line" in told
    assert f"Then {sum(30 + n for n in range(25)):,.2f} are counted too often" in told


def test_equal_lines_of_two_exports_are_noticed(shop):
    first = orders([f"u{n}" for n in range(40)])
    again = [(*row[:2], 2, *row[3:]) for row in first[30:]]  # numbered by the file, not within the order
    (told,) = [text for text in loaded(shop(first, again)).warnings if "two files" in text]
    assert "10 lines stand in two files with another line number, worth 50.00" in told


def test_a_form_that_does_not_exist_is_named(shop):
    with pytest.raises(Mistake, match=r"ids\.0: Input should be 'trim', 'lower' or 'integer'"):
        load_source(shop(orders(["u"]), ids=["upper"]))
