"""Rows of one snapshot, and rows of a range of days."""

from datetime import date

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from pipelines.lake import tables
from pipelines.settings import Settings


def snapshot_rows(connection: Backend, settings: Settings, table: str, snapshot: date) -> ir.Table:
    """Rows of one snapshot in the newest version of a table; only their files are opened.

    Raises:
        PurseError: the table has not been written yet.
    """
    return tables.read_opened(connection, tables.open_table(settings, table), [snapshot])


def between(rows: ir.Table, start: date | None, end: date) -> ir.Table:
    """Rows with `start <= day < end`; without `start` all rows before `end`."""
    past = rows.filter(rows.day < end)
    return past if start is None else past.filter(past.day >= start)
