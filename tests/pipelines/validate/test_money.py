"""Money of quarantined rows: kept, lost, and estimated where it cannot be read."""

import pyarrow as pa
import pytest

from pipelines.validate.money import money_of

GOOD = pa.table({"amount": [10.0, -30.0]})
SCHEMA = pa.schema(
    {"amount": pa.float64(), "quantity": pa.float64(), "fault": pa.string(), "reason": pa.string()},
)


def money(*rows):
    filled = [{"quantity": 1.0, "fault": None, "amount": None} | row for row in rows]
    return money_of(GOOD, pa.Table.from_pylist(filled, SCHEMA))


def test_sizes_count_by_rule_and_once_in_all():
    found = money({"amount": -5.0, "reason": "a, b"}, {"amount": 7.0, "reason": "b"})
    assert (found.kept, found.lost, found.by_rule) == (40.0, 12.0, {"a": 5.0, "b": 12.0})


@pytest.mark.parametrize("rule", ["first_of_its_key", "not_replaced", "amount_finite", "amount_not_impossible"])
def test_what_another_row_replaces_or_is_no_money_is_not_lost(rule):
    assert money({"amount": 1e12, "reason": rule}).lost == 0


@pytest.mark.parametrize(
    ("record", "size"),
    [
        ('{"price":"1.234,50","qty":"2"}', 2469.0),
        ('{"price":"$ 1,234","sku":"a-1"}', 2468.0),
        ('{"price":"four"}', 20.0),
        ('{"price":', 20.0),
    ],
)
def test_an_unreadable_amount_is_estimated(record, size):
    """From a number with thousands separators times the quantity; otherwise the mean of the others."""
    row = {"fault": f"amount is not a DOUBLE; in {record}", "quantity": 2.0, "reason": "readable"}
    assert money(row).lost == pytest.approx(size)


def test_a_table_without_amounts_has_no_money():
    assert money_of(pa.table({"user_id": ["a"]}), pa.table({"reason": ["x"]})).kept == 0
