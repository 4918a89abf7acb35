"""Rules of staged users."""

from expectations.rules import Rule
from expectations.staged import NOTHING, Known, staged_rules
from expectations.text_rules import not_blank
from features.schema import USERS


def suite(columns: tuple[str, ...], known: Known = NOTHING) -> tuple[Rule, ...]:
    """Rules of staged users; all attributes besides the key may be missing.

    >>> suite(("user_id",))[-1].name
    'user_id_not_blank'

    Args:
        columns: columns of the table.
        known: facts about the table that its rows do not show.
    """
    return (*staged_rules(USERS, columns, known), not_blank("user_id"))
