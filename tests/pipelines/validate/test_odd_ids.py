"""Ids of one user in two forms, of nobody, of tests and of bots; repeated totals and lines of overlapping exports."""

import csv

import pytest
import yaml

from pipelines.errors import Mistake, PurseError
from pipelines.ingest.source_version import _marks
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
    rows = tables.read(tables.connect(), settings, "odd_ids").to_pandas().astype({"same_as": object})
    rows = rows.assign(same_as=rows.same_as.where(rows.same_as.notna(), None))
    return rows.sort_values(["kind", "odd_id"])[["kind", "odd_id", "same_as", "rows"]].to_numpy().tolist()


def people(settings):
    return sorted(tables.read(tables.connect(), settings, "raw/order_lines").to_pandas().user_id)


FORMS_OF_ONE = ["17850", "17850.0", "017850", "Ann@Example.org", "ann@example.org"]


def test_ids_that_differ_by_form_are_reported_and_their_names_are_in_the_lake(shop):
    settings = shop(orders(FORMS_OF_ONE))
    found = loaded(settings).tables["order_lines"].warnings
    assert any("2 user ids would be 1 with 'ids: [lower]'" in text and "worth about 10.00" in text for text in found)
    assert any("3 user ids would be 1 with 'ids: [integer]'" in text for text in found)
    assert any("5 user ids would be 2 with 'ids: [lower, integer]'" in text for text in found)
    assert not any("Ann" in text or "17850" in text for text in found)
    assert ["integer", "17850.0", "17850", 1] in odd(settings)
    assert ["lower", "Ann@Example.org", "ann@example.org", 1] in odd(settings)


def test_ids_in_their_forms_are_one_user_and_nothing_is_reported(shop):
    settings = shop(orders([*FORMS_OF_ONE, " 17850"]), ids=["integer", "lower", "trim"])
    assert loaded(settings).tables["order_lines"].rows_kept == 6
    assert people(settings) == ["17850"] * 4 + ["ann@example.org"] * 2
    assert not tables.exists(settings, "odd_ids")


def test_ids_that_differ_between_tables_are_reported(shop, tmp_path):
    settings = shop(orders(["17", "18", "19"]))
    (tmp_path / "users.csv").write_text("who,where\n00017,N\n00018,S\n")
    source = yaml.safe_load((tmp_path / "shop.yaml").read_text())
    source["tables"]["users"] = {"from": {"files": "users.csv"}, "columns": {"user_id": "who", "region": "where"}}
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(source))
    found = loaded(settings).warnings
    assert any("order_lines, users: 4 user ids would be 2 with 'ids: [integer]'" in text for text in found)
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(source | {"ids": ["integer"]}))
    assert not any("user ids would be" in text for text in loaded(settings).warnings)
    users = tables.read(tables.connect(), settings, "raw/users").to_pandas()
    assert sorted(users.user_id) == ["17", "18"]


def test_ids_that_only_two_forms_together_make_one(shop):
    settings = shop(orders(["17850", " 17850.0"]))
    (told,) = [text for text in loaded(settings).warnings if "would be" in text]
    assert "2 user ids would be 1 with 'ids: [trim, integer]'" in told
    assert odd(settings) == [["together", " 17850.0", "17850", 1], ["together", "17850", "17850", 1]]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "text",
    [" a\u00a0", "ÄB", "0", "000", "-1", "+07.00", "1.50", "1e5", "٣", "", "0x1F", "12.0.0", "-01.0", "007\n", "İΑΣ"],
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
    assert any(
        "40 of 100 rows are nobody's, as the source says, worth 200.00 (40.0% of money)" in text
        for text in found.warnings
    )
    assert len(people(settings)) == 60


def test_rows_without_an_id_are_left_out_if_the_source_says_so(shop):
    rows = orders(["", "  ", *[f"u{n}" for n in range(6)]])
    with pytest.raises(PurseError, match=r"Rows without a user id: nobody: \[''\] in the source file leaves them out"):
        loaded(shop(rows))
    found = loaded(shop(rows, nobody=[""]))
    (told,) = [text for text in found.warnings if "nobody's" in text]
    assert "order_lines: 2 of 8 rows are nobody's, as the source says, worth 10.00 (25.0% of money)" in told
    assert found.tables["order_lines"].reasons == {"of_somebody": 2}


def test_nobody_is_read_in_the_forms_of_the_source(shop):
    settings = shop(orders(["0.0"] * 3 + ["000", "u1"]), ids=["integer"], nobody=["0.0"])
    loaded(settings)
    assert people(settings) == ["u1"]


def test_the_first_user_of_ids_from_zero_is_somebody(shop):
    assert loaded(shop(orders([str(n % 40) for n in range(200)]))).warnings == []


def test_a_changed_list_of_nobody_reads_the_rows_again(shop):
    rows = orders(["guest"] * 30 + [f"u{n}" for n in range(60)])
    loaded(shop(rows))
    settings = shop(rows, nobody=["guest"])
    assert loaded(settings).tables["order_lines"].rows_kept == 60
    assert "guest" not in people(settings)


def test_a_key_that_says_the_default_is_no_change_of_the_source(shop):
    before, after = (load_source(shop(orders(["u"]), **keys)) for keys in ({}, {"timezone": "UTC", "ids": []}))
    assert _marks(before) == _marks(after) != _marks(load_source(shop(orders(["u"]), ids=["trim"])))


def test_a_bot_and_tests_are_counted_and_named_in_the_lake(shop):
    users = [f"u{n}" for n in range(50)] + ["till-7"] * 40 + ["test", "Test-2", "contest"]
    settings = shop(orders(users))
    found = loaded(settings).warnings
    assert any("one user id has 40 of 93 rows (43.0%), 40 times the 95% quantile" in text for text in found)
    assert any("2 user ids look like a test, with 2 rows, worth about 10.00" in text for text in found)
    assert [row[:2] for row in odd(settings)] == [["large", "till-7"], ["test", "Test-2"], ["test", "test"]]


def test_the_share_of_a_bot_is_a_setting(shop):
    settings = shop(orders([f"u{n}" for n in range(50)] + ["till-7"] * 40))
    assert any("one user id has" in text for text in loaded(settings).warnings)
    assert not any(
        "one user id has" in text for text in loaded(settings.with_changes(ingest__max_user_share=0.5)).warnings
    )


def test_all_tests_are_counted_though_few_are_named(shop):
    settings = shop(orders([f"test-{n}" for n in range(30)]))
    (told,) = [text for text in loaded(settings).warnings if "like a test" in text]
    assert "30 user ids look like a test, with 30 rows, worth about 150.00" in told
    assert len(odd(settings)) == 20


def test_test_orders_are_counted_and_named_in_the_lake(shop):
    rows = orders([f"u{n}" for n in range(40)])
    rows[3] = ("TEST-1", *rows[3][1:])
    rows[4] = (rows[4][0], "test_product", *rows[4][2:])
    rows[5] = (rows[5][0], "covid-test", *rows[5][2:])
    settings = shop(rows)
    assert any("2 orders look like a test by the id" in text and "10.00" in text for text in loaded(settings).warnings)
    assert odd(settings) == [["test_order", "TEST-1", None, 1], ["test_order", "o4", None, 1]]


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
    assert "25 of 25 orders of several products have one amount on every line: is it the order's total?" in told
    assert f"Then {sum(30 + n for n in range(25)):,.2f} are counted too often" in told


def test_prices_that_come_of_repeated_totals_do_not_hide_them(shop):
    rows = [
        (f"o{n}", product, line, f"u{n}", f"2025-01-{n % 10 + 1:02} 10:00:00", 1, 30 + n, 30 + n)
        for n in range(25)
        for line, product in enumerate("ab", 1)
    ]
    assert any("order's total" in text for text in loaded(shop(rows)).warnings)


def test_a_shop_with_one_price_repeats_no_totals(shop):
    rows = [
        (f"o{n}", product, line, f"u{n}", f"2025-01-{n % 10 + 1:02} 10:00:00", 1, 5, 5)
        for n in range(25)
        for line, product in enumerate("ab", 1)
    ]
    assert loaded(shop(rows)).warnings == []


def test_equal_lines_of_one_order_in_two_exports_count_once(shop):
    rows = [(*row[:2], line, *row[3:]) for row in orders([f"u{n}" for n in range(40)]) for line in (1, 2)]
    settings = shop(rows, rows[60:])
    with pytest.raises(
        PurseError, match=r"first_of_its_key \(20 rows, about 100.00 .*distinct: true .* duplicates: last"
    ):
        loaded(settings)
    found = loaded(settings.with_changes(ingest__max_quarantined_share=0.5)).tables["order_lines"]
    assert found.reasons == {"first_of_its_key": 20}
    (told,) = found.warnings
    assert "20 of 100 rows break 'first_of_its_key', worth about 100.00" in told


def test_equal_lines_of_two_exports_are_noticed(shop):
    first = orders([f"u{n}" for n in range(40)])
    again = [(*row[:2], 2, *row[3:]) for row in first[30:]]  # numbered by the file, not within the order
    (told,) = [text for text in loaded(shop(first, again)).warnings if "two files" in text]
    assert "10 lines stand in two files with another line number, worth 50.00" in told


def test_a_form_that_does_not_exist_is_named(shop):
    with pytest.raises(Mistake, match=r"ids\.0: Input should be 'trim', 'lower' or 'integer'"):
        load_source(shop(orders(["u"]), ids=["upper"]))
