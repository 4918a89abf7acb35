"""Whether days hold the same rows as before, so that a day is written only if something changed."""

from collections.abc import Mapping, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from duckdb import DuckDBPyRelation
from ibis.backends.duckdb import Backend

from pipelines.lake import commit_log, tables
from pipelines.settings import Settings

Prints = Mapping[date, tuple[int, int]]
"""By day the number of rows and the sum of their hashes: the same whatever the order and the files."""


def fingerprints(rows: DuckDBPyRelation) -> dict[date, tuple[int, int]]:
    """The fingerprint of each day of some rows, which have a `day`."""
    named = rows.set_alias("record").project("day, hash(record)::HUGEINT AS code")
    return {day: (count, code) for day, count, code in named.aggregate("day, count(*), sum(code)", "day").fetchall()}


def changed_days(connection: Backend, table: DeltaTable, columns: Sequence[str], now: Prints) -> set[date]:
    """Of the days in `now`, those whose rows in a table are others; all of them if it has other columns."""
    if {field.name for field in table.schema().fields} != set(columns):
        return set(now)
    expression = tables.read_opened(connection, table, list(now)).select(*columns)
    before = fingerprints(connection.con.sql(connection.compile(expression)))
    return {day for day, found in now.items() if before.get(day) != found}


def replace_changed(settings: Settings, table: str, rows: pa.Table, start: date, end: date) -> int:
    """Replace the days with `start <= day < end` whose rows differ from those that are there, in one commit.

    Days with the same rows keep their files, so that nothing that was computed from them is computed again.

    Returns:
        How many days differ.

    Raises:
        PurseError: the commit failed; the previous version stays in force.
    """
    if not tables.exists(settings, table):
        tables.replace(settings, table, rows, "day", start, end)
        return len(rows["day"].unique())
    connection, delta = tables.connect(), tables.open_table(settings, table)
    now = fingerprints(connection.con.from_arrow(rows))
    emptied = {day for day in commit_log.files(delta) if start <= day < end} - set(now)
    changed = changed_days(connection, delta, rows.column_names, now) | emptied
    if changed:
        chosen = rows.filter(pc.is_in(rows["day"], pa.array(sorted(changed), pa.date32())))
        tables.replace_days(settings, table, chosen.to_reader, changed, {})
    return len(changed)
