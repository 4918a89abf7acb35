"""What must hold of staged users."""

from expectations.rules import Rule
from expectations.staged import NOTHING, Known, staged_rules
from expectations.text_rules import not_blank
from features.schema import USERS


def suite(columns: tuple[str, ...], known: Known = NOTHING) -> tuple[Rule, ...]:
    """The rules of users; what is known of a user beyond the key may be missing."""
    return (*staged_rules(USERS, columns, known), not_blank("user_id"))
