"""Days that an ingest reads: the range, and the missing days before it."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta

from duckdb import DuckDBPyRelation

from expectations.staged import without_record
from features.schema import TABLES
from pipelines.errors import PurseError
from pipelines.lake import tables as lake
from pipelines.lake.missing import missing, spans
from pipelines.settings import Settings

A_DAY = timedelta(days=1)


def first_day(settings: Settings, names: list[str], end: date | None) -> date | None:
    """First day to stage when every table has been loaded before, otherwise None."""
    if not all(lake.days(settings, f"raw/{name}") or _is_undated(settings, name) for name in names):
        return None
    return min(_first_days(settings, dict.fromkeys(names, date.max), end))


def holes_before(settings: Settings, name: str, before: date) -> list[date]:
    """Missing days of a table before the days that are read anyway."""
    return [day for day in missing(settings, name) if day < before]


def filled(rows: DuckDBPyRelation, holes: Collection[date], end: date) -> list[tuple[date, date]]:
    """Ranges of missing days that the source has now."""
    return spans(sorted(day for day, _ in day_counts(rows) if day in holes and day < end))


def range_of(
    settings: Settings, tables: dict[str, DuckDBPyRelation], start: date | None, end: date | None, hints: Sequence[str]
) -> tuple[date, date]:
    """Range of days to stage, `end` exclusive; without `start` a table is new and read from its first day.

    `hints` say how to read what is unreadable; they follow the message.

    Raises:
        PurseError: no order has a readable time, or the range is empty.
    """
    days = {name: {day for day, _ in day_counts(rows)} - {lake.UNDATED} for name, rows in tables.items()}
    if not start and not days["order_lines"]:
        first = tables["order_lines"].project("fault, source_file, source_line").limit(1).fetchall()
        if not first:
            raise PurseError(
                f"Source '{settings.source}' has no order before {end} (exclusive end of the range). Give a later "
                "--to, or wait until the shop's first day is over."
            )
        ((fault, file, line),) = first
        raise PurseError(
            f"Source '{settings.source}': no row of order_lines has a readable 'ordered_at'. "
            f"Correct its expression in the source file. First row, {file} line {line}: {without_record(fault)}. "
            + " ".join(hints)
        )
    dated = {name: values for name, values in days.items() if values}
    start = start or min(_first_days(settings, {name: min(values) for name, values in dated.items()}))
    end = end or max((max(values) for values in dated.values()), default=start - A_DAY) + A_DAY
    if start >= end:
        raise PurseError(f"The range is empty: from {start} to {end} (exclusive). Give a later --to.")
    return start, end


def day_counts(rows: DuckDBPyRelation) -> list[tuple[date, int]]:
    """Count the rows of each day."""
    counts: list[tuple[date, int]] = rows.aggregate("day, count(*) AS rows", "day").fetchall()
    return counts


def earliest(tables: dict[str, DuckDBPyRelation]) -> date | None:
    """First day of all rows; None without a readable time."""
    days = (day for rows in tables.values() for day, _ in day_counts(rows))
    return min((day for day in days if day != lake.UNDATED), default=None)


def _is_undated(settings: Settings, name: str) -> bool:
    """Whether a loaded table of versions has no times."""
    return not TABLES[name].is_log and lake.exists(settings, f"raw/{name}")


def _first_days(settings: Settings, first: dict[str, date], end: date | None = None) -> Iterator[date]:
    """First day to stage per table: a loaded log resumes before its newest validated day, a new table at `first`.

    With `end`, days from it on do not count as loaded: the days before it are read again even if later ones are there.
    """
    for name, day in first.items():
        loaded = lake.days(settings, f"raw/{name}")
        if not loaded:
            yield day
        elif TABLES[name].is_log:
            newest = min(loaded[-1], end - A_DAY) if end else loaded[-1]
            yield max(min(loaded[0], newest), newest - A_DAY * settings.ingest.lookback_days)
