"""What must hold of staged order lines."""

from datetime import datetime

from expectations.rules import Rule, applicable, between, finite, not_negative, not_null, not_zero, warning
from expectations.staged import NOTHING, Known, required_id, staged_rules
from expectations.table_rules import not_absurd
from features.schema import ORDER_LINES

ABSURD = 10_000
"""Times the median line: far beyond an expensive product, not beyond a slip of four digits."""


def suite(columns: tuple[str, ...], known: Known = NOTHING) -> tuple[Rule, ...]:
    """The rules of order lines with these columns.

    The sign of `amount` decides whether a line adds to spend or takes from it, and nothing else tells which of two
    contradicting signs is the wrong one: such a line is quarantined. A line of amount 0 (a gift) agrees with both.
    """
    required = (
        *required_id("user_id"),
        between("ordered_at", datetime(1990, 1, 1), datetime(2100, 1, 1), "plausible"),  # noqa: DTZ001  # shop's own time
        not_null("quantity"),
        finite("quantity"),
        not_zero("quantity"),
        finite("unit_price"),
        not_negative("unit_price"),
        not_null("amount"),
        finite("amount"),
        between("amount", 0.0, None, "not_negative_when_bought", where=("quantity", ">", 0)),
        between("amount", None, 0.0, "not_positive_when_returned", where=("quantity", "<", 0)),
        warning(not_absurd("amount", ABSURD)),
    )
    optional = (finite("discount"), finite("unit_cost"))
    return staged_rules(ORDER_LINES, columns, known) + required + applicable(optional, columns)
