"""Step `build_features`: reduce the order log to daily rows, then compute the features of each snapshot."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Literal

import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from features import sequences
from features.build import build
from features.definitions import FEATURES, available
from features.event_day import catalogued_events, user_event_category_day, user_event_day
from features.user_day import categorised_lines, user_category_day, user_day
from models.catalog import reads_sequences
from pipelines import lake
from pipelines.settings import Settings
from pipelines.snapshots import plan_snapshots
from pipelines.validate import check

Purpose = Literal["training", "scoring"]


def build_features(settings: Settings, snapshot_date: date, purpose: Purpose = "scoring") -> dict[str, Any]:
    """Write the features of the snapshots that a run at `snapshot_date` (exclusive) needs; each is replaced.

    Args:
        settings: the settings.
        snapshot_date: end of the data, exclusive.
        purpose: "scoring" for the snapshot itself, "training" for the rolling snapshots of a retraining.

    Returns:
        The snapshots, the rows written, the features, those left out for want of a source column, and the report.

    Raises:
        PurseError: too little history, or features of the newest snapshot that break their suite, which alone is
            checked: it is as it was before, the older ones have been replaced.
    """
    connection = lake.connect()
    raw = {name: lake.read(connection, settings, f"raw/{name}") for name in _tables(settings)}
    given = {f"{name}.{column}" for name, table in raw.items() for column in table.columns}
    features = available(given)
    wants_sequences = any(reads_sequences(family) for family in settings.sweep.families)
    channels = sequences.available(given) if wants_sequences else ()
    lists = [channel.name for channel in channels]
    daily = _reduce(connection, settings, raw, snapshot_date)
    snapshots = [snapshot_date]
    if purpose == "training":
        first_day = lake.days(settings, "raw/order_lines")[0]
        snapshots = list(plan_snapshots(first_day, snapshot_date, settings.horizon_days, settings.snapshots).all)
    rows, report = 0, {}
    for snapshot in snapshots:
        table = build(daily, snapshot, features, channels).to_pyarrow()
        stamped = table.append_column("snapshot_date", pa.array([snapshot] * table.num_rows, pa.date32()))
        if snapshot == snapshots[-1]:
            report = check(settings, stamped.drop_columns(lists).to_pandas(), "features", snapshot)
        lake.replace(settings, "features", stamped, "snapshot_date", snapshot, snapshot + timedelta(days=1))
        rows += table.num_rows
    names = [feature.name for feature in features] + lists
    return {
        "snapshot_date": snapshot_date.isoformat(),
        "snapshots": [snapshot.isoformat() for snapshot in snapshots],
        "rows": rows,
        "features": names,
        "left_out": [feature.name for feature in FEATURES if feature.name not in names],
        **report,
    }


def _tables(settings: Settings) -> list[str]:
    optional = [name for name in ("users", "products", "events") if lake.exists(settings, f"raw/{name}")]
    return ["order_lines", *optional]


def _reduce(
    connection: Backend, settings: Settings, raw: Mapping[str, ir.Table], snapshot_date: date
) -> dict[str, ir.Table]:
    """Write the daily tables up to the snapshot and give them as the second stage wants them."""
    orders = raw["order_lines"]
    past = orders.filter(orders.day < snapshot_date)
    lines = lake.hold(connection, categorised_lines(past, raw.get("products")))
    first_day = lake.days(settings, "raw/order_lines")[0]
    daily = {"user_day": user_day(lines), "user_category_day": user_category_day(lines)}
    if "events" in raw:
        past = raw["events"].filter(raw["events"].day < snapshot_date)
        events = catalogued_events(past, raw.get("products"))
        daily |= {"user_event_day": user_event_day(events, lines)}
        daily |= {"user_event_category_day": user_event_category_day(events)}
    for name, table in daily.items():
        daily[name] = lake.hold(connection, table)
        lake.replace(settings, name, daily[name].to_pyarrow(), "day", first_day, snapshot_date)
    return {**daily, **({"users": raw["users"]} if "users" in raw else {})}
