"""Rules of staged products."""

from expectations.rules import Rule, applicable, finite, not_negative
from expectations.staged import NOTHING, Known, staged_rules
from expectations.text_rules import not_blank
from features.schema import PRODUCTS


def suite(columns: tuple[str, ...], known: Known = NOTHING) -> tuple[Rule, ...]:
    """Rules of staged products.

    >>> [rule.name for rule in suite(("product_id", "list_price"))][-2:]
    ['list_price_finite', 'list_price_not_negative']

    Args:
        columns: columns of the table.
        known: facts about the table that its rows do not show.
    """
    required = (*staged_rules(PRODUCTS, columns, known), not_blank("product_id"))
    return required + applicable((finite("list_price"), not_negative("list_price")), columns)
