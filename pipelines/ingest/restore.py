"""Give staged days back from the history of the lake."""

from datetime import UTC, date, datetime, timedelta
from functools import partial

import duckdb
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from pipelines.errors import PurseError
from pipelines.lake import commit_log
from pipelines.lake import tables as lake
from pipelines.results.data import Ingested, StagedRows
from pipelines.settings import Settings

LISTED = 20
"""Maximum number of versions in a message, newest first."""


def restore(
    settings: Settings, name: str, version: int, from_date: date | None = None, to_date: date | None = None
) -> Ingested:
    """Stage days of a table again as they were in an older version; `purse validate` then writes them to raw.

    Args:
        settings: name the lake.
        name: name of the table.
        version: version of its staging table.
        from_date: first day. None without `to_date`: only the days that have no rows now.
        to_date: exclusive last day.

    Raises:
        PurseError: the version does not exist or its files are gone, or it has no such days; the table is unchanged.
    """
    place = f"staging/{name}"
    now = lake.open_table(settings, place)
    try:
        old = lake.open_table(settings, place, version)
    except (DeltaError, OverflowError) as error:
        raise PurseError(f"'{place}' has no version {version}. {_versions(settings, place, now)}") from error
    counts = commit_log.row_counts(old)
    if from_date or to_date:
        days = [day for day in sorted(counts) if (from_date or date.min) <= day < (to_date or date.max)]
    else:
        days = sorted(set(counts) - set(commit_log.files(now)))
    if not days:
        raise PurseError(
            f"Version {version} of '{place}' has no days {'in this range' if from_date or to_date else 'that are gone'}"
            f". Name another version, or days with --from and --to. {_versions(settings, place, now)}"
        )
    connection = lake.connect()
    try:
        lake.replace_days(
            settings, place, partial(lake.stream, connection, lake.read_opened(connection, old, days)), days, {}
        )
    except duckdb.IOException as error:
        raise PurseError(
            f"Files of version {version} of '{place}' are gone: a vacuum of the lake deleted them. The table is "
            f"unchanged. {_versions(settings, place, now)}"
        ) from error
    rows = StagedRows(rows=sum(counts[day] for day in days), days=len(days))
    return Ingested(from_date=days[0], to_date=days[-1] + timedelta(days=1), tables={name: rows})


def _versions(settings: Settings, place: str, now: DeltaTable) -> str:
    """List the newest versions with their time, days and rows."""
    lines = []
    for entry in now.history(LISTED):
        at = datetime.fromtimestamp(entry["timestamp"] / 1000, tz=UTC)
        line = f"  {entry['version']}: written {at:%Y-%m-%d %H:%M} UTC"
        try:
            counts = commit_log.row_counts(lake.open_table(settings, place, entry["version"]))
        except DeltaError:
            continue  # the log no longer reaches back to it
        dated = sorted(set(counts) - {lake.UNDATED})
        span = f", {dated[0]} to {dated[-1]}" if dated else ""
        lines.append(f"{line}, {sum(counts.values()):,} rows of {len(dated):,} days{span}")
    return "Its versions, newest first:\n" + "\n".join(lines)
