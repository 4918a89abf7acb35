"""What must hold of staged products."""

from expectations.rules import Rule, applicable, finite, has_rows, not_blank, not_negative
from expectations.staged import staged_rules
from features.schema import PRODUCTS


def suite(columns: tuple[str, ...]) -> tuple[Rule, ...]:
    """The rules of products with these columns."""
    required = (*staged_rules(PRODUCTS), not_blank("product_id"), has_rows())
    return required + applicable((finite("list_price"), not_negative("list_price")), columns)
