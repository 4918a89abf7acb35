"""What validation adds to staged rows before it judges them: whether a row is a copy, and whether its ids are known."""

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
    """The given rows, each with whether it is a copy (`COPY`): a row with its key is at most COPY_DAYS before it.

    The first is the one of the earlier day, file and line, wherever the days are cut into portions, so that a month
    gives the same rows in one run and day by day. A row that cannot be read is neither copy nor original: a line that
    is delivered again after its repair is kept. An incomplete key has no copies.

    Args:
        given: the rows to judge.
        before: rows of other days among which an original may be.
        table: whose rows.
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
    judged = rows.mutate(**{COPY: copy})
    return judged.filter(judged.given == 1).select([*given.columns, COPY])


def with_strangers(settings: Settings, connection: Backend, rows: ir.Table) -> ir.Table:
    """Rows of a log with the ids that the staged users and products lack (`UNKNOWN`), or have only later (`EARLY`)."""
    for column, name in REFERENCES.items():
        if column not in rows.columns or not tables.exists(settings, f"staging/{name}"):
            continue
        other, at = TABLES[name], "occurred_at" if "occurred_at" in rows.columns else "ordered_at"
        staged = tables.read(connection, settings, f"staging/{name}")
        good = staged.filter(staged.fault.isnull() & staged[column].notnull())
        since = good.group_by(other_id=good[column]).aggregate(since=good[other.time].min())
        joined = rows.left_join(since, rows[column] == since.other_id)
        missing, nothing = joined.other_id.isnull(), ibis.null("string")
        later = (joined.since > joined[at]) & (joined.since.date() > tables.UNDATED)  # of that day: it holds always
        rows = joined.mutate(
            **{
                UNKNOWN.format(column): ibis.ifelse(missing, joined[column], nothing),
                EARLY.format(column): ibis.ifelse(later, joined[column], nothing),
            }
        ).drop("other_id", "since")
    return rows
