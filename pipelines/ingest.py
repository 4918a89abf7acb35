"""Step `ingest`: read days of the source into the lake's staging tables, as they arrived."""

from datetime import date, timedelta
from typing import Any

import duckdb
from duckdb import DuckDBPyRelation

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
        from_date: the first day; None: the day after the newest staged day, or the source's first.
        to_date: the day after the last; None: everything the source has.

    Returns:
        from_date, to_date, and per table its rows and the number of days that have any.

    Raises:
        PurseError: the source doesn't fit its YAML file, or a given range is empty; nothing has been written.
    """
    source = load_source(settings)
    with duckdb.connect() as connection:
        tables = {name: staged(connection, settings, source, name) for name in source.tables}
        start, end = _range(settings, tables["order_lines"], from_date, to_date)
        result = {name: _stage(settings, name, rows, start, end) for name, rows in tables.items()}
    return {"from_date": start.isoformat(), "to_date": end.isoformat(), "tables": result}


def _stage(settings: Settings, name: str, rows: DuckDBPyRelation, start: date, end: date) -> dict[str, int]:
    dated, undated = days_between(rows, start, end), days_between(rows, lake.UNDATED, lake.UNDATED + A_DAY)
    lake.replace(settings, f"staging/{name}", dated, "day", start, end)
    lake.replace(settings, f"staging/{name}", undated, "day", lake.UNDATED, lake.UNDATED + A_DAY)
    return {"rows": dated.num_rows + undated.num_rows, "days": len(set(dated["day"].unique().to_pylist()))}


def _range(
    settings: Settings, orders: DuckDBPyRelation, from_date: date | None, to_date: date | None
) -> tuple[date, date]:
    if from_date and to_date:
        if from_date >= to_date:
            raise PurseError(f"The range is empty: from {from_date} up to, and without, {to_date}. Give a later --to.")
        return from_date, to_date
    bounds = orders.filter(f"day <> DATE '{lake.UNDATED}'").aggregate("min(day), max(day)").fetchall()[0]
    if bounds[0] is None:
        raise PurseError(
            f"Source '{settings.source}': no row of order_lines has a readable 'ordered_at'. "
            "Correct its expression in the source file."
        )
    staged_days = lake.days(settings, "staging/order_lines")
    start = from_date or (staged_days[-1] + A_DAY if staged_days else bounds[0])
    end = to_date or bounds[1] + A_DAY
    if start >= end:
        raise PurseError(
            f"Source '{settings.source}' has nothing new: its last day is {bounds[1]}, and days before {start} are "
            "loaded. Name a range with --from and --to to load days again."
        )
    return start, end
