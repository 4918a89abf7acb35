"""What must hold of every staged table, whatever it holds."""

from dataclasses import dataclass, replace
from datetime import datetime

from expectations.rules import Rule, applicable, between, not_null, null, one_of, passes, warning
from expectations.table_rules import has_rows, up_to_date
from expectations.text_rules import not_blank, printable, trimmed, well_encoded, without
from features.schema import Table

COPY = "copy_of_key"
"""Column that validation adds: 1 for a row whose key a row before it has, and otherwise 0."""

REPLACED = "replaced by "
"""How the fault of a row begins that a source gave up for a later one, by `duplicates: last`."""

NOT_REPLACED = "not_replaced"
"""The rule that such a row breaks."""

UNKNOWN, EARLY = "unknown_{}", "early_{}"
"""Columns that validation adds: the id where the table of ids lacks it, and where all its versions begin later."""

REFERENCES = {"product_id": "products", "user_id": "users"}
"""Columns of the logs, and the tables whose ids they are."""


@dataclass(frozen=True)
class Known:
    """What is known of a staged table beside its rows.

    Attributes:
        earliest, latest: between which times rows lie that are not far from all others; None: not known.
        fresh_since: the oldest time that the newest row may have; None: any.
    """

    earliest: datetime | None = None
    latest: datetime | None = None
    fresh_since: datetime | None = None


NOTHING = Known()


def staged_rules(table: Table, columns: tuple[str, ...], known: Known) -> tuple[Rule, ...]:
    """The row could be read, its key and time are there, it is the first with its key, and its ids and text are clean.

    Args:
        table: which.
        columns: those that it has.
        known: what is known beside its rows.
    """
    present = dict.fromkeys((*table.key, table.time))
    ids = [column for column in columns if column.endswith("_id") and not column.startswith(("unknown_", "early_"))]
    text = [c.name for c in table.columns if c.type == "VARCHAR" and c.name in columns and c.name not in ids]
    return (
        _readable(),
        replace(
            without("fault", f"^{REPLACED}", "", "no row after it has the same key, where the source keeps the last"),
            name=NOT_REPLACED,
        ),
        *(not_null(column) for column in present),
        replace(one_of(COPY, (0,)), name="first_of_its_key", description="no row before it has the same key"),
        *(rule(column) for column in ids for rule in (printable, trimmed)),
        *(well_encoded(column) for column in text),
        *(_near_the_others(table, known)),
        *(rule for column, other in REFERENCES.items() for rule in applicable(_referring(column, other), columns)),
        *([up_to_date(table.time, known.fresh_since)] if known.fresh_since else []),
        has_rows(),
    )


def _readable() -> Rule:
    return Rule(
        name="readable",
        description="every value of the row could be read",
        columns=("fault",),
        expectation="ExpectColumnValuesToMatchRegex",
        arguments={"column": "fault", "regex": f"^{REPLACED}"},
        holds=lambda table: passes(table.fault.re_search(f"^{REPLACED}")),
    )


def _near_the_others(table: Table, known: Known) -> tuple[Rule, ...]:
    """A year that no other row is near to is a slip, and one such row in the future would move every snapshot."""
    if known.earliest is None:
        return ()
    return (between(table.time, known.earliest, known.latest, "near_the_others"),)


def _referring(column: str, table: str) -> tuple[Rule, ...]:
    unknown, early = UNKNOWN.format(column), EARLY.format(column)
    known, begun = f"{column} is in {table}", f"a version of {column} in {table} holds at the row's time"
    return (
        warning(replace(null(unknown), name=f"{column}_known", description=known)),
        warning(replace(null(early), name=f"{column}_begun", description=begun)),
    )


def required_id(column: str) -> tuple[Rule, ...]:
    """An id that every row must have."""
    return (not_null(column), not_blank(column))
