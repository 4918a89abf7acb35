"""Resolve the snapshot date of a run; refuse stale data."""

from datetime import date, timedelta

from pipelines.errors import PurseError
from pipelines.lake.tables import days
from pipelines.settings import Settings
from pipelines.source.days import complete_until


def resolve_snapshot_date(settings: Settings, snapshot_date: date | None, today: date) -> date:
    """Return the requested snapshot date, or the day after the lake's newest order day that is over.

    Args:
        settings: the settings; `ingest.max_staleness_days` is null for historical data.
        snapshot_date: exclusive end of the data, or None for the newest.
        today: the shop's day of the run; staleness is measured from it, and of a live shop it isn't over.

    Raises:
        PurseError: the lake has no orders, or they are older than `ingest.max_staleness_days`.
    """
    newest = newest_complete_date(settings, today)
    limit = settings.ingest.max_staleness_days
    if snapshot_date is None and limit is not None and (today - newest).days > limit:
        raise PurseError(
            f"The lake is stale: its newest orders are of {newest - timedelta(days=1)}, {(today - newest).days} "
            f"days before {today}; ingest.max_staleness_days allows {limit}. Check the source '{settings.source}' and "
            "run ingest_daily, or name a snapshot date to score the past."
        )
    return snapshot_date or newest


def newest_complete_date(settings: Settings, today: date) -> date:
    """Day after the lake's newest order day that is over.

    Raises:
        PurseError: the lake has no orders.
    """
    loaded = days(settings, "raw/order_lines")
    if not loaded:
        raise PurseError(f"The lake at {settings.lake} holds no orders. Run 'purse ingest' and 'purse validate' first.")
    return complete_until(settings, loaded[-1] + timedelta(days=1), today)
