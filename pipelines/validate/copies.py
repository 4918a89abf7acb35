"""Columns that validation adds to staged rows: whether a row is a copy, and which of its ids are unknown."""

from functools import reduce
from operator import or_

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from expectations.staged import COPY, EARLY, REFERENCES, UNKNOWN
from features.schema import TABLES, Table
from pipelines.lake import tables
from pipelines.settings import Settings
from pipelines.validate.days import COPY_DAYS


def with_copies(given: ir.Table, before: ir.Table, table: Table) -> ir.Table:
    """Mark copies (`COPY`): rows that follow a row with the same key within COPY_DAYS.

    The original is the row with the earliest day, file and line, however the days are split into portions: a month
    gives the same rows in one run and day by day. Unreadable rows are neither copies nor originals, so a line that is
    delivered again after its repair is accepted. Rows with an incomplete key have no copies.

    Args:
        given: rows to validate.
        before: rows of other days that may contain an original.
        table: canonical table of the rows.
    """
    key, place = list(table.key), ["day", "source_file", "source_line"]
    needed = list(dict.fromkeys([*key, table.time, *place, "fault"]))
    others = before.select(needed).semi_join(given, key)
    filled = others.mutate(
        **{name: ibis.null(kind) for name, kind in given.schema().items() if name not in needed}, given=ibis.literal(0)
    )
    rows = given.mutate(given=ibis.literal(1)).union(filled.select([*given.columns, "given"]))
    unreadable = reduce(or_, [rows.fault.notnull(), rows[table.time].isnull(), *(rows[c].isnull() for c in key)])
    rows = rows.mutate(unreadable=unreadable)
    last = rows.day.lag().over(ibis.window(group_by=[*key, "unreadable"], order_by=place))
    near = (rows.day.delta(last, unit="day") <= COPY_DAYS).fill_null(False)  # noqa: FBT003  # Ibis takes it by position only
    copy = ibis.ifelse(near & ~rows.unreadable, 1, 0).cast("int64")
    marked = rows.mutate(**{COPY: copy})
    return marked.filter(marked.given == 1).select([*given.columns, COPY])


def with_unknown_ids(settings: Settings, connection: Backend, rows: ir.Table) -> ir.Table:
    """Add the ids of log rows that staged users and products lack (`UNKNOWN`) or contain only later (`EARLY`)."""
    for column, name in REFERENCES.items():
        if column not in rows.columns or not tables.exists(settings, f"staging/{name}"):
            continue
        other, at = TABLES[name], "occurred_at" if "occurred_at" in rows.columns else "ordered_at"
        staged = tables.read(connection, settings, f"staging/{name}")
        good = staged.filter(staged.fault.isnull() & staged[column].notnull())
        since = good.group_by(other_id=good[column]).aggregate(since=good[other.time].min())
        joined = rows.left_join(since, rows[column] == since.other_id)
        missing, nothing = joined.other_id.isnull(), ibis.null("string")
        later = (joined.since > joined[at]) & (
            joined.since.date() > tables.UNDATED
        )  # UNDATED versions are always valid
        rows = joined.mutate(
            **{
                UNKNOWN.format(column): ibis.ifelse(missing, joined[column], nothing),
                EARLY.format(column): ibis.ifelse(later, joined[column], nothing),
            }
        ).drop("other_id", "since")
    return rows
