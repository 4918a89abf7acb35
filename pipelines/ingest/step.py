"""Step `ingest`: read days of the source into the lake's staging tables, as they arrived."""

import tempfile
from collections.abc import Iterator
from datetime import date, timedelta

import duckdb
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from features.schema import TABLES
from pipelines.errors import PurseError
from pipelines.files import write_atomically
from pipelines.ingest.staging import staged
from pipelines.lake import tables as lake
from pipelines.lake.changes import replace_changed
from pipelines.results.data import Ingested, StagedRows
from pipelines.settings import Settings
from pipelines.source.definition import Source, load_source

ROWS_AT_ONCE = 2_000_000
"""Days are handed to the lake in portions of about so many rows, so that memory does not grow with the history."""

A_DAY = timedelta(days=1)


def ingest(settings: Settings, from_date: date | None = None, to_date: date | None = None) -> Ingested:
    """Stage the rows with `from_date <= day < to_date` of every table of the source; those days are replaced.

    Rows without a readable time are staged under `lake.UNDATED`, replaced as a whole each time.

    Args:
        settings: names the source and the lake.
        from_date: the first day; None: `ingest.lookback_days` before the newest validated day of orders or events,
            whichever is older, for rows that came late; of a table that is new, its first day.
        to_date: the day after the last; None: everything the source has.

    Returns:
        from_date, to_date, and per table its rows and the number of days that have any.

    Raises:
        PurseError: the source doesn't fit its YAML file or cannot be read to its end, the range is empty, or the home
            holds another shop; nothing has been written.
    """
    source = load_source(settings)
    cache = settings.home_path / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    # read once, into a file and not into memory: what is staged is looked at several times
    with (
        tempfile.TemporaryDirectory(dir=cache, prefix=".ingest-") as folder,
        duckdb.connect(f"{folder}/staged.duckdb") as connection,
    ):
        first = from_date or _next_day(settings, list(source.tables))
        tables = _read(connection, settings, source, first, to_date)
        start, end = _range(settings, tables, first, to_date)
        _claim_home(settings, source)
        result = {name: _stage(settings, name, rows, start, end) for name, rows in tables.items()}
    return Ingested(from_date=start, to_date=end, tables=result)


def _claim_home(settings: Settings, source: Source) -> None:
    """Write down whose data the home holds: two shops in one lake would be taken for one."""
    holder = settings.home_path / "source.txt"
    if not holder.is_file():
        write_atomically(holder, source.title.encode())
    elif (title := holder.read_text()) != source.title:
        raise PurseError(
            f"The home {settings.home_path} holds the shop '{title}', and {source.path} is '{source.title}'. A home "
            "holds one shop: name another folder by PURSE_HOME. If it is the same shop under a new title, delete "
            f"{holder}."
        )


def _read(
    connection: DuckDBPyConnection, settings: Settings, source: Source, start: date | None, end: date | None
) -> dict[str, DuckDBPyRelation]:
    """The rows of each table in these days, and those without a readable time; None for no limit."""
    try:
        for name in source.tables:
            rows = staged(connection, settings, source, name)
            rows.filter(f"day = DATE '{lake.UNDATED}' OR ({_within(start, end)})").create(f"staged_{name}")
    except duckdb.Error as error:
        raise PurseError(
            f"Source file {source.path}: the data breaks off or changes its form on the way: {error}. Repair the file, "
            "or set 'encoding' (of text that is not UTF-8) or 'options' (those of DuckDB's reader). Nothing has been "
            "written."
        ) from error
    return {name: connection.table(f"staged_{name}") for name in source.tables}


def _within(start: date | None, end: date | None) -> str:
    """SQL condition for rows with `start <= day < end`; None: no limit on that side."""
    after = f"day >= DATE '{start}'" if start else "true"
    before = f"day < DATE '{end}'" if end else "true"
    return f"{after} AND {before}"


def _stage(settings: Settings, name: str, rows: DuckDBPyRelation, start: date, end: date) -> StagedRows:
    counts = {day: count for day, count in _counts(rows) if start <= day < end or day == lake.UNDATED}
    undated = counts.pop(lake.UNDATED, 0)
    undated_days = (lake.UNDATED, lake.UNDATED + A_DAY)
    for first, last in (*_portions(counts, start, end), undated_days):
        portion = rows.filter(_within(first, last)).order("day, source_file, source_line")
        replace_changed(settings, f"staging/{name}", portion.to_arrow_table(), first, last)
    return StagedRows(rows=sum(counts.values()) + undated, days=len(counts))


def _portions(counts: dict[date, int], start: date, end: date) -> Iterator[tuple[date, date]]:
    """Ranges that together are all days from `start` up to, and without, `end`; of days by their rows."""
    first, rows = start, 0
    for day, count in sorted(counts.items()):
        if rows and rows + count > ROWS_AT_ONCE:
            yield first, day
            first, rows = day, 0
        rows += count
    yield first, end


def _counts(rows: DuckDBPyRelation) -> list[tuple[date, int]]:
    counts: list[tuple[date, int]] = rows.aggregate("day, count(*) AS rows", "day").fetchall()
    return counts


def _range(
    settings: Settings, tables: dict[str, DuckDBPyRelation], start: date | None, end: date | None
) -> tuple[date, date]:
    """The days to stage; without `start`, a table is new and all that it has is read."""
    days = {name: {day for day, _ in _counts(rows)} - {lake.UNDATED} for name, rows in tables.items()}
    if not start and not days["order_lines"]:
        ((fault,),) = tables["order_lines"].project("fault").limit(1).fetchall()
        raise PurseError(
            f"Source '{settings.source}': no row of order_lines has a readable 'ordered_at'. "
            f"Correct its expression in the source file; the first row says: {fault}."
        )
    start = start or min(_first_days(settings, {name: min(found) for name, found in days.items() if found}))
    end = end or max((max(found) for found in days.values() if found), default=start - A_DAY) + A_DAY
    if start >= end:
        raise PurseError(f"The range is empty: from {start} up to, and without, {end}. Give a later --to.")
    return start, end


def _next_day(settings: Settings, names: list[str]) -> date | None:
    """Where to go on when every table has been loaded before; else None."""
    if not all(lake.days(settings, f"raw/{name}") or _is_undated(settings, name) for name in names):
        return None
    return min(_first_days(settings, dict.fromkeys(names, date.max)))


def _is_undated(settings: Settings, name: str) -> bool:
    """Whether a table of versions has been loaded of which none has a time."""
    return not TABLES[name].is_log and lake.exists(settings, f"raw/{name}")


def _first_days(settings: Settings, first: dict[str, date]) -> Iterator[date]:
    """Where each table goes on: a log before its newest validated day, a table without any with its first."""
    for name, day in first.items():
        loaded = lake.days(settings, f"raw/{name}")
        if not loaded:
            yield day
        elif TABLES[name].is_log:
            yield max(loaded[0], loaded[-1] - A_DAY * settings.ingest.lookback_days)
