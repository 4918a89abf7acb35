"""Rules of staged order lines."""

from datetime import datetime

from expectations.rules import Rule, applicable, between, finite, not_negative, not_null, not_zero, warning
from expectations.staged import NOTHING, Known, required_id, staged_rules
from expectations.table_rules import not_absurd
from features.schema import ORDER_LINES

ABSURD = 10_000
"""Multiple of the median amount above which a line is reported: more than an expensive product, less than an amount
with four digits too many."""

IMPOSSIBLE = 100_000
"""Multiple of the median amount above which a line is quarantined: one such line would outweigh a whole shop, and the
policies of `preprocessing` act on features, after the line has entered them all."""


def suite(columns: tuple[str, ...], known: Known = NOTHING) -> tuple[Rule, ...]:
    """Rules of staged order lines.

    A line whose `amount` and `quantity` have contradicting signs is quarantined: the sign of `amount` decides whether
    the line adds to spend, and nothing shows which of the two is wrong. An amount of 0 (a gift) fits both signs.

    >>> [rule.name for rule in suite(("order_id", "discount"))][-2:]
    ['amount_not_impossible', 'discount_finite']

    Args:
        columns: columns of the table.
        known: facts about the table that its rows do not show.
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
        warning(not_absurd("amount", ABSURD, usual=known.usual_amount)),
        not_absurd("amount", IMPOSSIBLE, "not_impossible", known.usual_amount),
    )
    optional = (finite("discount"), finite("unit_cost"))
    return staged_rules(ORDER_LINES, columns, known) + required + applicable(optional, columns)
