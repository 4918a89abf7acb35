"""Step `ingest`: read days of the source into the lake's staging tables, before validation."""

import tempfile
from collections.abc import Collection, Iterator, Mapping
from datetime import date, timedelta

import duckdb
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from features.schema import TABLES
from pipelines.errors import PurseError
from pipelines.files import write_atomically
from pipelines.ingest.days import day_counts, earliest, filled, first_day, holes_before, range_of
from pipelines.ingest.files import locate_all
from pipelines.ingest.kept_days import Found, Spans, compare, stop_if_less, warn_if_gone
from pipelines.ingest.lock import describe, lock
from pipelines.ingest.rows import odd_files
from pipelines.ingest.source_version import (
    changed_tables,
    never_validated,
    record_version,
    stop_if_left,
    with_staged_days,
)
from pipelines.ingest.staging import prepare, staged
from pipelines.lake import tables as lake
from pipelines.lake.changes import replace_changed
from pipelines.lake.missing import warnings as missing_warnings
from pipelines.results.data import Ingested, StagedRows
from pipelines.settings import Settings
from pipelines.source.definition import Source, load_source
from pipelines.source.forms.hints import hints

ROWS_AT_ONCE = 2_000_000
"""Approximate rows staged per commit; bounds memory however long the history is."""

A_DAY = timedelta(days=1)


def ingest(
    settings: Settings, from_date: date | None = None, to_date: date | None = None, *, replace: bool = False
) -> Ingested:
    """Stage the rows with `from_date <= day < to_date` of every table of the source, replacing these days.

    A day that the lake holds and the source lacks is kept. After a change of the source file, a run without `from_date`
    reads every day again. Rows without a readable time are staged under
    `lake.UNDATED`, which every run replaces as a whole.

    Args:
        settings: name the source and the lake; `ingest.max_lost_share` is the share that a day may lose.
        from_date: first day. None: `ingest.lookback_days` before the newest validated day of orders or events,
            whichever is older, to include late rows, and the missing days before it; a new table starts at its first
            day.
        to_date: exclusive last day. None: the end of the source.
        replace: also empty or shrink days that the source has lost.

    Returns:
        The range of days, per table its rows and the number of days with rows, and warnings: unreadable columns, days
        that were kept, and days that are missing.

    Raises:
        PurseError: the source does not fit its YAML file, a file is unreadable, the range is empty, a day lost too
            much, days stay that only an earlier version of the source file gave, or the home holds another shop;
            nothing is written.
    """
    source = load_source(settings)
    cache = settings.home_path / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    # read the source once, into a file: its rows are queried several times and may not fit into memory
    with (
        tempfile.TemporaryDirectory(dir=cache, prefix=".ingest-") as folder,
        duckdb.connect(f"{folder}/staged.duckdb") as connection,
    ):
        changed = set() if from_date else changed_tables(settings, source)
        first = from_date or (None if changed else first_day(settings, list(source.tables), to_date))
        holes = {name: [] if from_date or not first else holes_before(settings, name, first) for name in source.tables}
        tables, odd = _read(connection, settings, source, first, to_date, holes)
        unread = [hint for name, rows in tables.items() for hint in hints(rows, name, source.tables[name])]
        start, end = range_of(settings, tables, (earliest(tables) if changed else None) or first, to_date, unread)
        ranges: dict[str, Spans] = {
            name: [*filled(rows, holes[name], end), (start, end)] for name, rows in tables.items()
        }
        ranges |= {name: with_staged_days(settings, name, ranges[name]) for name in changed}
        _claim_home(settings, source)
        found = {}
        for name, rows in tables.items():
            whole = not TABLES[name].is_log and TABLES[name].time not in source.tables[name].columns
            found[name] = compare(settings, connection, name, rows, ranges[name], whole=whole)
        found |= dict.fromkeys(never_validated(settings, changed), Found([], []))
        if not replace:
            stop_if_less(settings, found)
            stop_if_left(settings, found, changed)
        kept = {name: set() if replace else {loss.day for loss in one.gone} for name, one in found.items()}
        result = {name: _stage(settings, name, rows, ranges[name], kept[name]) for name, rows in tables.items()}
        if not (from_date and changed_tables(settings, source)):
            record_version(settings, source)
    return Ingested(
        from_date=min(first for spans in ranges.values() for first, _ in spans),
        to_date=end,
        tables=result,
        warnings=[*odd, *unread, *([] if replace else warn_if_gone(settings, found)), *missing_warnings(settings)],
    )


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
    connection: DuckDBPyConnection,
    settings: Settings,
    source: Source,
    start: date | None,
    end: date | None,
    holes: Mapping[str, Collection[date]],
) -> tuple[dict[str, DuckDBPyRelation], list[str]]:
    """Read the rows of each table with `start <= day < end` or in its holes, and the undated ones; None: no limit.

    The second value names files that lack columns of the others.
    """
    located = locate_all(source, settings.home_path / "cache")
    files = [file for origin in located.values() for file in origin]
    prepare(connection, source)
    lock(connection, files)  # the source's own SQL runs from here on
    try:
        odd = odd_files(connection, located, source)
        for name in source.tables:
            rows = staged(connection, located, source, name)
            others = ", ".join(f"DATE '{day}'" for day in (lake.UNDATED, *holes[name]))
            rows.filter(f"day IN ({others}) OR ({_within(start, end)})").create(f"staged_{name}")
    except duckdb.Error as error:
        raise PurseError(
            f"Source file {source.path}: the data breaks off or changes its format: {describe(error, files)}. Nothing "
            "was written. Repair the file, or set 'encoding' (for text that is not UTF-8) or 'options' (of DuckDB's "
            "reader). Where 'where', 'distinct' or 'currency' converts values, write TRY_CAST."
        ) from None
    return {name: connection.table(f"staged_{name}") for name in source.tables}, odd


def _within(start: date | None, end: date | None) -> str:
    """SQL condition for rows with `start <= day < end`; None: no limit on that side."""
    after = f"day >= DATE '{start}'" if start else "true"
    before = f"day < DATE '{end}'" if end else "true"
    return f"{after} AND {before}"


def _stage(settings: Settings, name: str, rows: DuckDBPyRelation, ranges: Spans, kept: Collection[date]) -> StagedRows:
    found = dict(day_counts(rows))
    undated = found.pop(lake.UNDATED, 0)
    counts = {day: count for day, count in found.items() if any(first <= day < last for first, last in ranges)}
    portions = [portion for start, end in ranges for portion in _portions(counts, start, end)]
    for first, last in (*portions, (lake.UNDATED, lake.UNDATED + A_DAY)):
        portion = rows.filter(_within(first, last)).order("day, source_file, source_line")
        replace_changed(settings, f"staging/{name}", portion.to_arrow_table(), first, last, kept)
    return StagedRows(rows=sum(counts.values()) + undated, days=len(counts))


def _portions(counts: dict[date, int], start: date, end: date) -> Iterator[tuple[date, date]]:
    """Split the days from `start` to `end` (exclusive) into ranges of about ROWS_AT_ONCE rows; `counts` is per day."""
    first, rows = start, 0
    for day, count in sorted((day, count) for day, count in counts.items() if start <= day < end):
        if rows and rows + count > ROWS_AT_ONCE:
            yield first, day
            first, rows = day, 0
        rows += count
    yield first, end
