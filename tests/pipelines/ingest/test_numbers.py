"""Numbers that are text, as in every CSV file, with either decimal mark."""

import csv

import duckdb
import pytest
import yaml

from pipelines.errors import PurseError
from pipelines.ingest.numbers import numeric, plain
from pipelines.ingest.step import ingest
from pipelines.lake import tables as lake

HEADER = ["number", "sku", "position", "customer", "created_at", "units", "price", "rebate", "kind"]
COLUMNS = {
    "order_id": "number",
    "product_id": "sku",
    "line": "position",
    "user_id": "customer",
    "ordered_at": "created_at",
    "quantity": "units",
    "unit_price": "price",
    "amount": "units * price - coalesce(rebate, 0)",
}


def line(number, units="2", price="3.50", rebate="", kind="sale"):
    return [number, "apple", "1", "ann", "2024-03-04 10:00", units, price, rebate, kind]


@pytest.fixture
def load(tmp_path, settings):
    """Stage order lines and return them as records."""

    def loaded(lines, origin=None, **columns):
        with (tmp_path / "orders.csv").open("w", newline="") as file:
            csv.writer(file, delimiter=";").writerows([HEADER, *lines])
        origin = {"files": "orders.csv", "options": {"delimiter": ";"}} | (origin or {})
        table = {"from": origin, "columns": COLUMNS | columns}
        path = tmp_path / "shop.yaml"
        path.write_text(yaml.safe_dump({"title": "A shop", "tables": {"order_lines": table}}))
        own = settings.with_changes(source=str(path))
        ingest(own)
        return lake.read(lake.connect(), own, "staging/order_lines").to_pyarrow().sort_by("order_id").to_pylist()

    return loaded


def test_the_example_of_the_readme_works_on_csv(load):
    first, second, third = load([line("1"), line("2", rebate="0.5"), line("3", rebate="half")])
    assert (first["amount"], second["amount"], third["amount"]) == (7.0, 6.5, None)
    assert first["fault"] is second["fault"] is None
    assert third["fault"].startswith("amount is not a DOUBLE")


def test_a_decimal_comma(load):
    rows = load(
        [line("1", price="3,50"), line("2", "1.200", "1.234,5"), line("3", price="3.50"), line("4", "-2", "3,5")],
        {"decimal": ","},
    )
    assert [row["amount"] for row in rows] == [7.0, 1200 * 1234.5, None, -7.0]
    assert [row["quantity"] for row in rows] == [2, 1200, 2, -2]
    assert "unit_price is not a DOUBLE" in rows[2]["fault"]


def test_cases_comparisons_and_casts(load):
    rows = load(
        [line("1"), line("2", kind="return"), line("3", units="10", price="2")],
        quantity="CASE WHEN kind = 'return' THEN -units ELSE units END",
        amount="CASE WHEN units > 9 THEN 0.9 ELSE 1 END * units::DOUBLE * price * if(kind = 'return', -1, 1)",
    )
    assert [row["quantity"] for row in rows] == [2, -2, 10]
    assert [row["amount"] for row in rows] == [7.0, -7.0, 18.0]


def test_a_part_of_an_optional_value_that_is_no_number_is_a_fault(load):
    rows = load([line("1"), line("2", rebate="0.5"), line("3", rebate="half")], discount="units * rebate")
    assert [row["discount"] for row in rows] == [None, 1.0, None]
    assert [bool(row["fault"]) for row in rows] == [False, False, True]


def test_text_stays_text_and_large_whole_numbers_stay_exact(load):
    (row,) = load([["007", "apple", "9007199254740993", "0042", "2024-03-04", "1", "2", "", ""]])
    assert (row["order_id"], row["user_id"], row["line"]) == ("007", "0042", 9007199254740993)


def test_an_expression_that_does_not_fit_is_told_in_one_line(load):
    with pytest.raises(
        PurseError, match=r"'len\(units\) \* ln\(price\)' doesn't fit.*CAST\(name AS DOUBLE\)"
    ) as caught:
        load([line("1")], amount="len(units) * ln(price)")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "decimal", "number"),
    [
        ("1.234,5", ",", 1234.5),
        ("12.34,5", ",", None),
        ("1234", ",", 1234),
        ("-0,5", ",", -0.5),
        ("3.50", ",", None),
        ("1,234.5", ".", 1234.5),
        ("1,5", ".", None),
        ("1,5", None, None),
        ("1e3", None, 1000),
    ],
)
def test_marks(text, decimal, number):
    rows = duckdb.values([duckdb.ConstantExpression(text)])
    assert rows.project(f"TRY_CAST({plain('col0', decimal)} AS DOUBLE)").fetchall() == [(number,)]


@pytest.mark.parametrize("expression", ["units *", "s.units * 2", "strpos(kind, 'x') + 1", "'units'"])
def test_what_is_no_text_column_stays_as_it_is(expression):
    assert numeric(expression, ["units", "kind"], None).sql == expression


def test_a_quoted_name_in_any_case():
    assert numeric('"Order Units" * PRICE', ["order units", "price"], None).sql == (
        'CAST("Order Units" AS DOUBLE) * CAST(PRICE AS DOUBLE)'
    )


def test_rates_with_a_decimal_comma(tmp_path, settings):
    (tmp_path / "orders.csv").write_text("\n".join(";".join(row) for row in (HEADER, line("1", price="2,5"))))
    (tmp_path / "rates.csv").write_text("currency;valid_from;rate\nUSD;2024-01-01;0,5\n")
    options = {"decimal": ",", "options": {"delimiter": ";"}}
    table = {"from": {"files": "orders.csv"} | options, "columns": COLUMNS, "currency": "'USD'"}
    currency = {"code": "EUR", "rates": {"files": "rates.csv"} | options}
    path = tmp_path / "shop.yaml"
    path.write_text(yaml.safe_dump({"title": "A shop", "currency": currency, "tables": {"order_lines": table}}))
    ingest(settings.with_changes(source=str(path)))
    rows = lake.read(lake.connect(), settings, "staging/order_lines").to_pyarrow().to_pylist()
    assert [(row["unit_price"], row["amount"], row["fault"]) for row in rows] == [(1.25, 2.5, None)]
