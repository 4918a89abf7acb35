"""Assets through which the DAGs start each other: new orders, a new champion, new scores.

Every event carries the snapshot date to score, or the scored one, as `{"snapshot_date": "2001-03-01"}`, because a run
that an asset starts has no logical date.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Asset

ORDER_LINES = Asset(name="order_lines", uri="purse://lake/raw/order_lines", group="purse")
CHAMPION = Asset(name="champion", uri="purse://registry/champion", group="purse")
PREDICTIONS = Asset(name="predictions", uri="purse://lake/predictions", group="purse")


def is_news(events: Any, extra: Mapping[str, Any]) -> bool:  # noqa: ANN401  # Airflow has no public type for it
    """Whether the newest event of an asset says something else.

    Args:
        events: Airflow's `inlet_events` of the asset.
        extra: what a new event would say.
    """
    newest = list(events.ascending(ascending=False).limit(1))
    return not newest or any(newest[0].extra.get(name) != value for name, value in extra.items())


def newest_snapshot_date(events: Mapping[Any, Sequence[Any]]) -> str:
    """Latest snapshot date among the events that started a run.

    Args:
        events: Airflow's `triggering_asset_events`: events by asset.

    Returns:
        An ISO date; empty if a person started the run or the events have no date.
    """
    dates = (event.extra.get("snapshot_date") for asset_events in events.values() for event in asset_events)
    return max(filter(None, dates), default="")
