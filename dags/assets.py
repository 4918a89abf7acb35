"""What the DAGs tell each other: there are new orders, there is a new champion, there are new scores.

Every event carries the date that it makes possible to score, or that was scored,
`{"snapshot_date": "2001-03-01"}`, because a run that is started by an asset has no logical date of its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Asset

ORDER_LINES = Asset(name="order_lines", uri="purse://lake/raw/order_lines", group="purse")
CHAMPION = Asset(name="champion", uri="purse://registry/champion", group="purse")
PREDICTIONS = Asset(name="predictions", uri="purse://lake/predictions", group="purse")


def newest_snapshot_date(events: Mapping[Any, Sequence[Any]]) -> str:
    """The latest snapshot date among the events that started a run.

    Args:
        events: Airflow's `triggering_asset_events`: the events of each asset.

    Returns:
        An ISO date; empty when a person started the run or sent an event without a date.
    """
    dates = (event.extra.get("snapshot_date") for of_asset in events.values() for event in of_asset)
    return max(filter(None, dates), default="")
