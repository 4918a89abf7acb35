"""Find the days of a table that would lose rows or money if new rows replaced them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import pyarrow as pa
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from expectations.staged import SAID
from features.schema import Table
from pipelines.lake.sql import literal
from pipelines.lake.tables import UNDATED

EXAMPLES = 5
"""Maximum number of days named in a message."""


class Size(NamedTuple):
    """Rows of a day, and their sales: the sum of positive amounts, 0 for a table without money.

    NaN if an amount is unreadable: whether such rows are accepted is for validation to say.
    """

    rows: int = 0
    sales: float = 0.0


class Loss(NamedTuple):
    """A day that would lose rows or money; `gone` if it would have no rows at all."""

    day: date
    before: Size
    after: Size
    gone: bool


class After(NamedTuple):
    """New rows: their size by day, and the name of a DuckDB table with their keys, made only if needed."""

    sizes: Mapping[date, Size]
    table: Callable[[], str]


def sizes(rows: DuckDBPyRelation) -> dict[date, Size]:
    """Size of each day; rows that the source itself leaves out (`duplicates: last`, `nobody`) do not count."""
    if "fault" in rows.columns:
        rows = rows.filter(f"fault IS NULL OR NOT regexp_matches(fault, {literal(SAID)})")
    unreadable = "bool_or(amount IS NULL)"
    sales = f"CASE WHEN {unreadable} THEN 'NaN' ELSE sum(greatest(amount, 0)) END" if "amount" in rows.columns else "0"
    found = rows.aggregate(f"day, count(*), CAST({sales} AS DOUBLE)", "day").fetchall()
    return {day: Size(count, money) for day, count, money in found}


def key_columns(table: Table, columns: Sequence[str]) -> list[str]:
    """Columns by which a row is found again on another day, with its day and money."""
    key = [column for column in table.key if column != table.time]
    return [*key, "day", *(["amount"] if "amount" in columns else [])]


def losses(
    connection: DuckDBPyConnection,
    table: Table,
    before: Mapping[date, Size],
    rows_of: Callable[[date], pa.Table],
    after: After,
    share: float,
) -> list[Loss]:
    """Days that would lose more than a share of their rows or sales.

    A row is not lost if another day has its key now: a corrected time or a newer version of a user moves rows.

    Args:
        connection: connection of the table with the new rows.
        table: the canonical table.
        before: size of each day that the new rows replace.
        rows_of: returns the `key_columns` of a day before.
        after: the new rows.
        share: maximum share that a day may lose.
    """
    found = []
    for day, old in sorted(before.items()):
        new = after.sizes.get(day, Size())
        if day in after.sizes and not _lost(old, new, share):
            continue
        new = _with_moved(connection, table, rows_of(day), after.table(), day, new)
        gone = day not in after.sizes
        if _lost(old, new, share) or (gone and not new.rows):
            found.append(Loss(day, old, new, gone))
    return found


def describe(name: str, found: Sequence[Loss]) -> str:
    """Name the days of a table with rows and money before and after."""
    days = [f"{_day(loss)} ({_change(loss)})" for loss in found[:EXAMPLES]]
    more = f" and {len(found) - EXAMPLES:,} more" if len(found) > EXAMPLES else ""
    return f"{name}: {', '.join(days)}{more}"


def _lost(old: Size, new: Size, share: float) -> bool:
    return any(was - now > share * was for was, now in zip(old, new, strict=True))


def _with_moved(connection: DuckDBPyConnection, table: Table, old: pa.Table, after: str, day: date, new: Size) -> Size:
    """Size of a day with the rows whose keys are there more seldom, or on another day."""
    same = " AND ".join(f"n.{column} = b.{column}" for column in table.key if column != table.time)
    money = "greatest(amount, 0)" if "amount" in old.column_names else "0"
    connection.register("rows_before", old)
    ((here, moved, sales),) = connection.sql(
        f"SELECT count(*) FILTER (here), count(*) FILTER (moved AND NOT here), "  # noqa: S608  # own names
        f"coalesce(sum({money}) FILTER (moved AND NOT here), 0) FROM (SELECT b.*, "
        f"EXISTS (SELECT 1 FROM {after} n WHERE {same} AND n.day = DATE '{day}') AS here, "
        f"EXISTS (SELECT 1 FROM {after} n WHERE {same} AND n.day <> DATE '{day}') AS moved "
        "FROM rows_before b)"
    ).fetchall()
    connection.unregister("rows_before")
    return Size(max(new.rows, here) + moved, new.sales + sales)


def _day(loss: Loss) -> str:
    return "the whole table" if loss.day == UNDATED else str(loss.day)


def _change(loss: Loss) -> str:
    money = loss.before.sales > 0
    texts = [f"{size.rows:,} rows" + (f" and {size.sales:,.2f} of sales" if money else "") for size in loss[1:3]]
    return f"{texts[0]}, now {texts[1]}"
