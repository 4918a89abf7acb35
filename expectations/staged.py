"""What must hold of every staged table, whatever it holds."""

from dataclasses import replace

from expectations.rules import Rule, not_null, null, one_of
from features.schema import Table

COPY = "copy_of_key"
"""Column that validation adds: how many staged rows with the same key come before this one."""


def staged_rules(table: Table) -> tuple[Rule, ...]:
    """The row could be read, its key and time are there, and it is the first with its key."""
    present = dict.fromkeys((*table.key, table.time))
    return (
        replace(null("fault"), name="readable", description="every value of the row could be read"),
        *(not_null(column) for column in present),
        replace(one_of(COPY, (0,)), name="first_of_its_key", description="no row before it has the same key"),
    )
