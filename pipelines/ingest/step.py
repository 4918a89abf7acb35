"""Step `ingest`: read days of the source into the lake's staging tables, before validation."""

import tempfile
from collections.abc import Iterator
from datetime import date, timedelta

import duckdb
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from expectations.staged import without_record
from features.schema import TABLES
from pipelines.errors import PurseError
from pipelines.files import write_atomically
from pipelines.ingest.files import locate_all
from pipelines.ingest.lock import describe, lock
from pipelines.ingest.staging import prepare, staged
from pipelines.lake import tables as lake
from pipelines.lake.changes import replace_changed
from pipelines.results.data import Ingested, StagedRows
from pipelines.settings import Settings
from pipelines.source.definition import Source, load_source

ROWS_AT_ONCE = 2_000_000
"""Approximate rows staged per commit; bounds memory however long the history is."""

A_DAY = timedelta(days=1)


def ingest(settings: Settings, from_date: date | None = None, to_date: date | None = None) -> Ingested:
    """Stage the rows with `from_date <= day < to_date` of every table of the source, replacing these days.

    Rows without a readable time are staged under `lake.UNDATED`, which every run replaces as a whole.

    Args:
        settings: name the source and the lake.
        from_date: first day. None: `ingest.lookback_days` before the newest validated day of orders or events,
            whichever is older, to include late rows; a new table starts at its first day.
        to_date: exclusive last day. None: the end of the source.

    Returns:
        The range of days, and per table its rows and the number of days with rows.

    Raises:
        PurseError: the source does not fit its YAML file, a file is unreadable, the range is empty, or the home
            holds another shop; nothing is written.
    """
    source = load_source(settings)
    cache = settings.home_path / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    # read the source once, into a file: its rows are queried several times and may not fit into memory
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
    """Record the shop whose data the home holds: two shops in one lake would be treated as one.

    Raises:
        PurseError: the home holds another shop.
    """
    holder = settings.home_path / "source.txt"
    if not holder.is_file():
        write_atomically(holder, source.title.encode())
    elif (title := holder.read_text()) != source.title:
        raise PurseError(
            f"The home {settings.home_path} holds the shop '{title}', and {source.path} is '{source.title}'. A home "
            "holds one shop: set PURSE_HOME to another folder. If only the title of the shop has changed, delete "
            f"{holder} and run 'purse ingest' again."
        )


def _read(
    connection: DuckDBPyConnection, settings: Settings, source: Source, start: date | None, end: date | None
) -> dict[str, DuckDBPyRelation]:
    """Read the rows of each table with `start <= day < end`, and the undated ones; None sets no limit."""
    located = locate_all(source, settings.home_path / "cache")
    files = [file for origin in located.values() for file in origin]
    prepare(connection, source)
    lock(connection, files)  # the source's own SQL runs from here on
    try:
        for name in source.tables:
            rows = staged(connection, located, source, name)
            rows.filter(f"day = DATE '{lake.UNDATED}' OR ({_within(start, end)})").create(f"staged_{name}")
    except duckdb.Error as error:
        raise PurseError(
            f"Source file {source.path}: the data breaks off or changes its format: {describe(error, files)}. Nothing "
            "was written. Repair the file, or set 'encoding' (for text that is not UTF-8) or 'options' (of DuckDB's "
            "reader). Where 'where', 'distinct' or 'currency' converts values, write TRY_CAST."
        ) from None
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
    """Split the days from `start` to `end` (exclusive) into ranges of about ROWS_AT_ONCE rows; `counts` is per day."""
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
    """Range of days to stage, `end` exclusive; without `start` a table is new and read from its first day.

    Raises:
        PurseError: no order has a readable time, or the range is empty.
    """
    days = {name: {day for day, _ in _counts(rows)} - {lake.UNDATED} for name, rows in tables.items()}
    if not start and not days["order_lines"]:
        first = tables["order_lines"].project("fault, source_file, source_line").limit(1).fetchone()
        if first is None:
            raise PurseError(
                f"Source '{settings.source}' has no order before {end} (exclusive end of the range). Give a later "
                "--to, or wait until the shop's first day is over."
            )
        fault, file, line = first
        raise PurseError(
            f"Source '{settings.source}': no row of order_lines has a readable 'ordered_at'. "
            f"Correct its expression in the source file. First row, {file} line {line}: {without_record(fault)}."
        )
    dated = {name: values for name, values in days.items() if values}
    start = start or min(_first_days(settings, {name: min(values) for name, values in dated.items()}))
    end = end or max((max(values) for values in dated.values()), default=start - A_DAY) + A_DAY
    if start >= end:
        raise PurseError(f"The range is empty: from {start} to {end} (exclusive). Give a later --to.")
    return start, end


def _next_day(settings: Settings, names: list[str]) -> date | None:
    """First day to stage when every table has been loaded before, otherwise None."""
    if not all(lake.days(settings, f"raw/{name}") or _is_undated(settings, name) for name in names):
        return None
    return min(_first_days(settings, dict.fromkeys(names, date.max)))


def _is_undated(settings: Settings, name: str) -> bool:
    """Whether a loaded table of versions has no times."""
    return not TABLES[name].is_log and lake.exists(settings, f"raw/{name}")


def _first_days(settings: Settings, first: dict[str, date]) -> Iterator[date]:
    """First day to stage per table: a loaded log resumes before its newest validated day, a new table at `first`."""
    for name, day in first.items():
        loaded = lake.days(settings, f"raw/{name}")
        if not loaded:
            yield day
        elif TABLES[name].is_log:
            yield max(loaded[0], loaded[-1] - A_DAY * settings.ingest.lookback_days)
