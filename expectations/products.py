"""What must hold of staged products."""

from expectations.rules import Rule, applicable, finite, not_negative
from expectations.staged import NOTHING, Known, staged_rules
from expectations.text_rules import not_blank
from features.schema import PRODUCTS


def suite(columns: tuple[str, ...], known: Known = NOTHING) -> tuple[Rule, ...]:
    """The rules of products with these columns."""
    required = (*staged_rules(PRODUCTS, columns, known), not_blank("product_id"))
    return required + applicable((finite("list_price"), not_negative("list_price")), columns)
