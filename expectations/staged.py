"""Rules that every staged table shares."""

from dataclasses import dataclass, replace
from datetime import datetime

from expectations.rules import Rule, applicable, between, not_null, null, one_of, passes, warning
from expectations.table_rules import has_rows, up_to_date
from expectations.text_rules import not_blank, printable, trimmed, well_encoded, without
from features.schema import Table

COPY = "copy_of_key"
"""Column that validation adds: 1 for a row whose key an earlier row has, otherwise 0."""

REPLACED = "replaced by "
"""Prefix of the fault of a row that a later row with the same key replaces (`duplicates: last` in the source)."""

NOBODYS = "user_id is nobody's"
"""Fault of a row whose id the source names under `nobody`."""

RECORD = "; in {"
"""Where a fault goes on with the source record as JSON."""

FIRST_OF_ITS_KEY = "first_of_its_key"
"""Name of the rule that a copy breaks."""

NOT_REPLACED = "not_replaced"
"""Name of the rule that a replaced row breaks."""

OF_SOMEBODY = "of_somebody"
"""Name of the rule that a row of nobody breaks."""

SAID = f"^(?:{REPLACED}|{NOBODYS})"
"""Pattern of the faults of such rows."""

NEAR = "near_the_others"
"""End of the name of the rule that a row breaks whose time is far from those of all others."""

UNKNOWN, EARLY = "unknown_{}", "early_{}"
"""Columns that validation adds: the id if the referenced table lacks it, and if all its versions begin later."""

REFERENCES = {"product_id": "products", "user_id": "users"}
"""Id columns of the logs, and the table that each refers to."""


def without_record(fault: str) -> str:
    """Return a fault without the source record, for messages and logs: a record has the user's id.

    >>> without_record('quantity is not a BIGINT; in {"who":"ann","n":"two"}')
    'quantity is not a BIGINT'
    """
    return fault.partition(RECORD)[0]


@dataclass(frozen=True)
class Known:
    """Facts about a staged table that its rows do not show.

    Attributes:
        earliest, latest: limits of plausible times, close to the times of the other rows; None: unknown.
        fresh_since: minimum time of the newest row; None: any.
        usual_amount: median size of the amounts of all staged rows; None: only the checked rows count.
    """

    earliest: datetime | None = None
    latest: datetime | None = None
    fresh_since: datetime | None = None
    usual_amount: float | None = None


NOTHING = Known()


def staged_rules(table: Table, columns: tuple[str, ...], known: Known) -> tuple[Rule, ...]:
    """Rules of every staged table: rows are readable, have key and time, are unique, and have clean ids and text.

    >>> from features.schema import USERS
    >>> [rule.name for rule in staged_rules(USERS, ("user_id",), NOTHING)][:4]
    ['readable', 'not_replaced', 'of_somebody', 'user_id_not_null']

    Args:
        table: the canonical table.
        columns: columns that it has.
        known: facts about the table that its rows do not show.
    """
    present = dict.fromkeys((*table.key, table.time))
    ids = [column for column in columns if column.endswith("_id") and not column.startswith(("unknown_", "early_"))]
    text = [c.name for c in table.columns if c.type == "VARCHAR" and c.name in columns and c.name not in ids]
    return (
        _readable(),
        replace(
            without("fault", f"^{REPLACED}", "", "no later row has the same key, if the source keeps the last one"),
            name=NOT_REPLACED,
        ),
        replace(
            without("fault", f"^{NOBODYS}", "", "the id is not among those that the source calls nobody's"),
            name=OF_SOMEBODY,
        ),
        *(not_null(column) for column in present),
        replace(one_of(COPY, (0,)), name=FIRST_OF_ITS_KEY, description="no earlier row has the same key"),
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
        description="every value of the row is readable",
        columns=("fault",),
        expectation="ExpectColumnValuesToMatchRegex",
        arguments={"column": "fault", "regex": SAID},
        holds=lambda table: passes(table.fault.re_search(SAID)),
    )


def _near_the_others(table: Table, known: Known) -> tuple[Rule, ...]:
    """A time far from all other rows is a typing error; a single one in the future would move every snapshot."""
    if known.earliest is None:
        return ()
    return (between(table.time, known.earliest, known.latest, NEAR),)


def _referring(column: str, table: str) -> tuple[Rule, ...]:
    unknown, early = UNKNOWN.format(column), EARLY.format(column)
    known, begun = f"{column} is in {table}", f"a version of {column} in {table} begins by the row's time"
    return (
        warning(replace(null(unknown), name=f"{column}_known", description=known)),
        warning(replace(null(early), name=f"{column}_begun", description=begun)),
    )


def required_id(column: str) -> tuple[Rule, ...]:
    """Rules of an id that every row must have.

    >>> [rule.name for rule in required_id("user_id")]
    ['user_id_not_null', 'user_id_not_blank']
    """
    return (not_null(column), not_blank(column))
