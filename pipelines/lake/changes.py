"""Detect days whose rows changed, so that only these are written."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from duckdb import DuckDBPyRelation
from ibis.backends.duckdb import Backend

from pipelines.lake import commit_log, tables
from pipelines.settings import Settings

Prints = Mapping[date, tuple[int, int]]
"""Number of rows and sum of their hashes by day; independent of order and files."""


def fingerprints(rows: DuckDBPyRelation) -> dict[date, tuple[int, int]]:
    """Compute the fingerprint of each day of rows with a column `day`."""
    named = rows.set_alias("record").project("day, hash(record)::HUGEINT AS code")
    return {day: (count, code) for day, count, code in named.aggregate("day, count(*), sum(code)", "day").fetchall()}


def changed_days(connection: Backend, table: DeltaTable, columns: Sequence[str], now: Prints) -> set[date]:
    """Days in `now` whose rows in a table differ; all of them if its columns differ."""
    if {field.name for field in table.schema().fields} != set(columns):
        return set(now)
    expression = tables.read_opened(connection, table, list(now)).select(*columns)
    before = fingerprints(connection.con.sql(connection.compile(expression)))
    return {day for day, found in now.items() if before.get(day) != found}


def replace_changed(
    settings: Settings, table: str, rows: pa.Table, start: date, end: date, kept: Collection[date] = ()
) -> int:
    """Replace the days with `start <= day < end` whose rows changed, in one commit.

    Unchanged days keep their files, so that nothing is recomputed from them. The `kept` days have no new rows and
    stay as they are; other days without new rows are emptied.

    Returns:
        Number of changed days.

    Raises:
        PurseError: the commit failed; the previous version stays active.
    """
    if not tables.exists(settings, table):
        tables.replace(settings, table, rows, "day", start, end)
        return len(rows["day"].unique())
    connection, delta = tables.connect(), tables.open_table(settings, table)
    now = fingerprints(connection.con.from_arrow(rows))
    emptied = {day for day in commit_log.files(delta) if start <= day < end} - {*now, *kept}
    changed = changed_days(connection, delta, rows.column_names, now) | emptied
    if changed:
        chosen = rows.filter(pc.is_in(rows["day"], pa.array(sorted(changed), pa.date32())))
        tables.replace_days(settings, table, chosen.to_reader, changed, {})
    return len(changed)
