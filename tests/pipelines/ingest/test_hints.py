"""What ingest says about times and numbers that it cannot read: the form, and the expression that reads them."""

import csv

import pytest
import yaml

from pipelines.errors import PurseError
from pipelines.ingest.step import ingest

COLUMNS = {
    "order_id": "no",
    "product_id": "sku",
    "line": "1",
    "user_id": "who",
    "ordered_at": '"Created At"',
    "quantity": "n",
    "unit_price": "price",
    "amount": "n * price",
}


@pytest.fixture
def load(tmp_path, settings):
    """Ingest lines of (time, price); return the warnings."""

    def make(*lines, **origin):
        with (tmp_path / "orders.csv").open("w", newline="") as file:
            rows = [[number, "apple", "ann", at, 2, price] for number, (at, price) in enumerate(lines)]
            csv.writer(file).writerows([["no", "sku", "who", "Created At", "n", "price"], *rows])
        table = {"from": {"files": "orders.csv"} | origin, "columns": COLUMNS}
        (tmp_path / "shop.yaml").write_text(yaml.safe_dump({"title": "Shop", "tables": {"order_lines": table}}))
        return ingest(settings.with_changes(source=str(tmp_path / "shop.yaml")), replace=True).warnings

    return make


def test_days_before_months(load):
    expected = r"""'Created At' looks like %d/%m/%Y: write strptime\("Created At", '%d/%m/%Y'\)\."""
    with pytest.raises(PurseError, match=expected):
        load(("01/02/2025", "1"), ("13/02/2025", "1"))


def test_both_orders_fit(load):
    with pytest.raises(PurseError) as error:
        load(("02/01/2025", "1"), ("03/01/2025", "1"))
    assert "fits %d/%m/%Y and %m/%d/%Y: only you know which" in str(error.value)
    assert "'%d/%m/%Y') (from 2025-01-02 to 2025-01-03), or" in str(error.value)
    assert "'%m/%d/%Y') (from 2025-02-01 to 2025-03-01)" in str(error.value)


def test_two_digits_are_no_year(load):
    """DuckDB alone would read the year 13."""
    with pytest.raises(PurseError, match="looks like %d-%m-%y"):
        load(("13-01-25", "1"))


def test_a_zone_apart_is_read(load):
    assert load(("2025-01-31 23:30:00 -0400", "1"), ("2025-01-31 23:30 +02", "2")) == []


@pytest.mark.parametrize(
    ("prices", "hint"),
    [
        (["$1,234.50", "$3.00"], "write CAST(replace(replace(price, '$', ''), ',', '') AS DOUBLE) in its place"),
        (["1.234,50", "3,10"], "write decimal: \",\" under 'from', and price as it is."),
        (["1,234", "0.50"], "write decimal: \".\" under 'from'"),
        (["1,234", "5"], "the comma is either a thousands separator or the decimal mark"),
        (["$5.10", "€3.10"], "several currencies ($, €): declare 'currency'"),
    ],
)
def test_numbers(load, prices, hint):
    (warning,) = load(*(("2025-01-02", price) for price in prices))
    assert warning.startswith("order_lines.unit_price is unreadable in ")
    assert "of 2 rows: 'price' has numbers such as" in warning
    assert hint in warning


def test_what_is_no_number_is_not_quoted(load):
    assert load(("2025-01-02", "ann@shop.example"), ("2025-01-02", "3")) == []
