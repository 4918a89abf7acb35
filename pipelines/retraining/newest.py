"""Resolve the snapshot date of a run; refuse stale data."""

from datetime import date, timedelta

from pipelines.errors import PurseError
from pipelines.lake.tables import days
from pipelines.settings import Settings


def resolve_snapshot_date(settings: Settings, snapshot_date: date | None, today: date) -> date:
    """Return the requested snapshot date, or the day after the lake's newest order day.

    Args:
        settings: the settings; `ingest.max_staleness_days` is null for historical data.
        snapshot_date: exclusive end of the data, or None for the newest.
        today: day of the run; staleness is measured from it.

    Raises:
        PurseError: the lake has no orders, or they are older than `ingest.max_staleness_days`.
    """
    loaded = days(settings, "raw/order_lines")
    if not loaded:
        raise PurseError(f"The lake at {settings.lake} holds no orders. Run 'purse ingest' and 'purse validate' first.")
    newest = loaded[-1] + timedelta(days=1)
    limit = settings.ingest.max_staleness_days
    if snapshot_date is None and limit is not None and (today - newest).days > limit:
        raise PurseError(
            f"The lake is stale: its newest orders are of {loaded[-1]}, {(today - newest).days} days before {today}; "
            f"ingest.max_staleness_days allows {limit}. Check the source '{settings.source}' and run ingest_daily, "
            "or name a snapshot date to score the past."
        )
    return snapshot_date or newest
