"""Compare features or predictions of a snapshot with the previous snapshot, for the rules on snapshots."""

from datetime import date, timedelta

import pandas as pd

from expectations import by_day
from expectations.runner import Part
from expectations.shift import binned, shift_between, volume_between
from pipelines.lake import commit_log, tables
from pipelines.settings import Settings

NOT_COMPARED = {"snapshot_date", "user_id", "reasons"}
REACH = timedelta(days=28)
"""Maximum distance to the previous snapshot in days."""

USERS = 100_000
"""Approximate maximum number of users read from the previous snapshot."""


def snapshot_measures(settings: Settings, frame: pd.DataFrame, table: str, snapshot_date: date) -> Part | None:
    """Compare new rows with the newest earlier snapshot.

    Args:
        settings: name the lake.
        frame: the new rows.
        table: their table, partitioned by snapshot_date.
        snapshot_date: date of the new rows.

    Returns:
        One row of measures with its rules; None without an earlier snapshot.
    """
    earlier = [
        day for day in tables.days(settings, table, "snapshot_date") if snapshot_date - REACH <= day < snapshot_date
    ]
    if not earlier:
        return None
    opened, connection = tables.open_table(settings, table), tables.connect()
    count = commit_log.row_counts(opened)[earlier[-1]]
    rows = tables.read_opened(connection, opened, [earlier[-1]])
    columns = [name for name in frame.columns if name in rows.columns and name not in NOT_COMPARED]
    chosen = rows.filter(rows.user_id.hash().abs() % max(count // USERS, 1) == 0).select(columns)
    before = chosen.to_pyarrow().to_pandas()
    measures = {"volume": volume_between(count, len(frame))}
    for name in columns:
        if (
            frame[name].nunique() > 1 and before[name].nunique() > 1
        ):  # features of the date itself have one value per snapshot
            measures[by_day.SHIFT.format(name)] = shift_between(*binned(before[name], frame[name]))
    measured = pd.DataFrame([{"day": snapshot_date.isoformat(), **measures}])
    return Part(measured, by_day.of_snapshot(tuple(measured.columns)))
