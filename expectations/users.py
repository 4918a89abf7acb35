"""What must hold of staged users."""

from expectations.rules import Rule, has_rows, not_blank
from expectations.staged import staged_rules
from features.schema import USERS


def suite(_columns: tuple[str, ...]) -> tuple[Rule, ...]:
    """The rules of users; what is known of a user beyond the key may be missing."""
    return (*staged_rules(USERS), not_blank("user_id"), has_rows())
