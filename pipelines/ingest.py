"""Step `ingest`: read days of the source into the lake's staging tables, as they arrived."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyRelation

from features.schema import TABLES
from pipelines import lake
from pipelines.errors import PurseError
from pipelines.settings import Settings
from pipelines.sources import load_source
from pipelines.staging import days_between, staged

A_DAY = timedelta(days=1)


def ingest(settings: Settings, from_date: date | None = None, to_date: date | None = None) -> dict[str, Any]:
    """Stage the rows with `from_date <= day < to_date` of every table of the source; those days are replaced.

    Rows without a readable time are staged under `lake.UNDATED`, replaced as a whole each time.

    Args:
        settings: names the source and the lake.
        from_date: the first day; None: the newest validated day of orders or events once more, as it may have been
            loaded before it was over, whichever is older; of a table that is new, its first day.
        to_date: the day after the last; None: everything the source has.

    Returns:
        from_date, to_date, and per table its rows and the number of days that have any.

    Raises:
        PurseError: the source doesn't fit its YAML file or cannot be read to its end, or the range is empty; nothing
            has been written.
    """
    source = load_source(settings)
    with duckdb.connect() as connection:
        try:
            tables = {name: staged(connection, settings, source, name) for name in source.tables}
            start, end = _range(settings, tables, from_date, to_date)
            read = {name: _days(rows, start, end) for name, rows in tables.items()}
        except duckdb.Error as error:
            raise PurseError(
                f"Source file {source.path}: the data breaks off or changes its form on the way: {error}. "
                "Repair the file, or set 'options' (those of DuckDB's reader). Nothing has been written."
            ) from error
    result = {name: _stage(settings, name, *rows, start, end) for name, rows in read.items()}
    return {"from_date": start.isoformat(), "to_date": end.isoformat(), "tables": result}


def _days(rows: DuckDBPyRelation, start: date, end: date) -> tuple[pa.Table, pa.Table]:
    """The rows of some days, and those without a readable time."""
    return days_between(rows, start, end), days_between(rows, lake.UNDATED, lake.UNDATED + A_DAY)


def _stage(settings: Settings, name: str, dated: pa.Table, undated: pa.Table, start: date, end: date) -> dict[str, int]:
    lake.replace(settings, f"staging/{name}", dated, "day", start, end)
    lake.replace(settings, f"staging/{name}", undated, "day", lake.UNDATED, lake.UNDATED + A_DAY)
    return {"rows": dated.num_rows + undated.num_rows, "days": len(set(dated["day"].unique().to_pylist()))}


def _range(
    settings: Settings, tables: dict[str, DuckDBPyRelation], from_date: date | None, to_date: date | None
) -> tuple[date, date]:
    start, end = from_date, to_date
    if not (start and end):
        bounds = {
            name: rows.filter(f"day <> DATE '{lake.UNDATED}'").aggregate("min(day), max(day)").fetchall()[0]
            for name, rows in tables.items()
        }
        if bounds["order_lines"][0] is None:
            raise PurseError(
                f"Source '{settings.source}': no row of order_lines has a readable 'ordered_at'. "
                "Correct its expression in the source file."
            )
        dated = {name: pair for name, pair in bounds.items() if pair[0] is not None}
        start = start or min(_first_days(settings, {name: first for name, (first, _) in dated.items()}))
        end = end or max(last for _, last in dated.values()) + A_DAY
    if start >= end:
        raise PurseError(f"The range is empty: from {start} up to, and without, {end}. Give a later --to.")
    return start, end


def _first_days(settings: Settings, first: dict[str, date]) -> Iterator[date]:
    """Where each table goes on: a log with its newest validated day, a table without any with its first."""
    for name, day in first.items():
        loaded = lake.days(settings, f"raw/{name}")
        if not loaded:
            yield day
        elif TABLES[name].is_log:
            yield loaded[-1]
