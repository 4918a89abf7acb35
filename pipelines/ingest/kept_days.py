"""Compare the days that the lake has staged with what the source has now, before they are replaced."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from duckdb import DuckDBPyConnection, DuckDBPyRelation

from features.schema import TABLES
from pipelines.errors import PurseError
from pipelines.lake import commit_log
from pipelines.lake import tables as lake
from pipelines.lake.losses import After, Loss, describe, key_columns, losses, sizes
from pipelines.lake.missing import named
from pipelines.settings import Settings

Spans = Sequence[tuple[date, date]]
"""Ranges of days, the last day exclusive."""


class Found(NamedTuple):
    """Days of one table: `gone` from the source and kept, and `less` with too few rows or too little money."""

    gone: list[Loss]
    less: list[Loss]


def compare(
    settings: Settings, connection: DuckDBPyConnection, name: str, rows: DuckDBPyRelation, ranges: Spans, *, whole: bool
) -> Found:
    """Find the staged days in the ranges that the new rows would empty or shrink.

    Args:
        settings: name the lake; `ingest.max_lost_share` is the limit.
        connection: connection of the new rows.
        name: name of the table; its new rows are in the connection's table `staged_<name>`.
        rows: the new rows.
        ranges: days that are about to be replaced.
        whole: whether the source delivers the table without times, as a whole.
    """
    if not lake.exists(settings, f"staging/{name}"):
        return Found([], [])
    own, delta, table = lake.connect(), lake.open_table(settings, f"staging/{name}"), TABLES[name]
    chosen = [day for day in commit_log.files(delta) if any(first <= day < last for first, last in ranges)]
    chosen = [day for day in chosen if day != lake.UNDATED] + ([lake.UNDATED] if whole else [])
    staged = lake.read_opened(own, delta, chosen)
    found = losses(
        connection,
        table,
        sizes(own.con.sql(own.compile(staged))),
        lambda day: lake.read_opened(own, delta, [day]).select(key_columns(table, staged.columns)).to_pyarrow(),
        After(sizes(rows), lambda: f"staged_{name}"),
        settings.ingest.max_lost_share,
    )
    return Found([loss for loss in found if loss.gone], [loss for loss in found if not loss.gone])


def stop_if_less(settings: Settings, found: dict[str, Found]) -> None:
    """Stop if a day lost too much.

    Raises:
        PurseError: names the days of every table, with rows and sales before and after.
    """
    lost = {name: one.less for name, one in found.items() if one.less}
    if not lost:
        return
    days = sorted(loss.day for less in lost.values() for loss in less)
    dated = [day for day in days if day != lake.UNDATED]
    range_ = f" --from {dated[0]} --to {dated[-1] + timedelta(days=1)}" if dated else ""
    listed = "; ".join(describe(name, less) for name, less in lost.items())
    raise PurseError(
        f"Source '{settings.source}' has lost more than {settings.ingest.max_lost_share:.0%} of the rows or sales of "
        f"days that are loaded (ingest.max_lost_share): {listed}. Nothing was written. Repair the source, "
        f"or replace these days on purpose: 'purse ingest{range_} --replace', then 'purse validate{range_} --replace'."
    )


def warn_if_gone(settings: Settings, found: dict[str, Found]) -> list[str]:
    """Name the days that the source lacks and the lake keeps."""
    result = []
    for name, one in found.items():
        if one.gone:
            days = [loss.day for loss in one.gone]
            count, rows = len(days), sum(loss.before.rows for loss in one.gone)
            range_ = f"--from {days[0]} --to {days[-1] + timedelta(days=1)} --replace"
            result.append(
                f"{name}: source '{settings.source}' no longer has rows of {named(days)}; the lake keeps {count:,} "
                f"{'day' if count == 1 else 'days'} with {rows:,} rows. To delete them on purpose, run "
                f"'purse ingest {range_}', then 'purse validate {range_}'."
            )
    return result
