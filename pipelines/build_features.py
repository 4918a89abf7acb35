"""Step `build_features`: bring the daily tables up to date, then compute the features of each snapshot."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from deltalake import DeltaTable

import features
from features import sequences
from features.build import build
from features.definitions import FEATURES, available
from models.catalog import reads_sequences
from pipelines import lake, lake_log
from pipelines.daily import refresh
from pipelines.settings import Settings
from pipelines.snapshots import plan_snapshots
from pipelines.validate import check
from pipelines.without_orders import write_features

Purpose = Literal["training", "scoring"]


def build_features(settings: Settings, snapshot_date: date, purpose: Purpose = "scoring") -> dict[str, Any]:
    """Write the features of the snapshots that a run at `snapshot_date` (exclusive) needs.

    The newest snapshot is always replaced, an older one where anything that it was computed from has changed.

    Args:
        settings: the settings.
        snapshot_date: end of the data, exclusive.
        purpose: "scoring" for the snapshot itself, "training" for the rolling snapshots of a retraining.

    Returns:
        The snapshots, their rows of users with orders and without, the days computed of each daily table, the features,
        those left out for want of a source column, and the report.

    Raises:
        PurseError: too little history, or features of the newest snapshot that break their suite, which alone is
            checked: it is as it was before, the older ones have been replaced.
    """
    connection = lake.connect()
    raw = {name: lake.read(connection, settings, f"raw/{name}") for name in _tables(settings)}
    given = {f"{name}.{column}" for name, table in raw.items() for column in table.columns}
    wanted = available(given)
    wants_sequences = any(reads_sequences(family) for family in settings.sweep.families)
    channels = sequences.available(given) if wants_sequences else ()
    lists = [channel.name for channel in channels]
    computed = refresh(settings, connection)
    logs = {name: lake.open_table(settings, name) for name in computed}
    logs |= {"users": lake.open_table(settings, "raw/users")} if "users" in raw else {}
    snapshots = [snapshot_date]
    if purpose == "training":
        first_day = lake.days(settings, "raw/order_lines")[0]
        snapshots = list(plan_snapshots(first_day, snapshot_date, settings.horizon_days, settings.snapshots).all)
    names = [feature.name for feature in wanted] + lists
    inputs, built, report = {day: _inputs(logs, names, day) for day in snapshots}, _built(settings), {}
    stale = [day for day in snapshots if day == snapshots[-1] or built.get(day.isoformat()) != inputs[day]]
    daily = {name: lake.read_opened(connection, log) for name, log in logs.items()}
    if len(snapshots) > 1:  # hundreds of files are opened once and not for each snapshot
        daily = {name: lake.hold(connection, table) for name, table in daily.items()}
    for snapshot in stale:
        table = build(daily, snapshot, wanted, channels).to_pyarrow()
        stamped = table.append_column("snapshot_date", pa.array([snapshot] * table.num_rows, pa.date32()))
        if snapshot == snapshots[-1]:
            report = check(settings, stamped.drop_columns(lists).to_pandas(), "features", snapshot)
        built[snapshot.isoformat()] = inputs[snapshot]
        kept = {"snapshots": json.dumps(built)}
        lake.replace(settings, "features", stamped, "snapshot_date", snapshot, snapshot + timedelta(days=1), kept)
    counts = lake_log.row_counts(lake.open_table(settings, "features"))
    return {
        "snapshot_date": snapshot_date.isoformat(),
        "snapshots": [snapshot.isoformat() for snapshot in snapshots],
        "days_computed": computed,
        "rows": sum(counts[snapshot] for snapshot in snapshots if snapshot in counts),
        "rows_without_orders": write_features(settings, daily, snapshots, wanted, undated=purpose == "scoring"),
        "features": names,
        "left_out": [feature.name for feature in FEATURES if feature.name not in names],
        **report,
    }


def _tables(settings: Settings) -> list[str]:
    optional = [name for name in ("users", "products", "events") if lake.exists(settings, f"raw/{name}")]
    return ["order_lines", *optional]


def _built(settings: Settings) -> dict[str, str]:
    """What the snapshots of the feature table were computed from, see `_inputs`; it is kept with each commit."""
    if not lake.exists(settings, "features"):
        return {}
    kept = lake_log.metadata(lake.open_table(settings, "features"))
    return dict(json.loads(kept.get("snapshots", "{}")))


def _inputs(logs: Mapping[str, DeltaTable], names: Sequence[str], snapshot: date) -> str:
    """A fingerprint of all that a snapshot's rows depend on: columns, code, and the files of the days before it."""
    sources = sorted(Path(features.__file__).parent.glob("*.py"))
    parts = [*names, *(hashlib.sha256(path.read_bytes()).hexdigest() for path in sources)]
    for name, log in logs.items():
        days = lake_log.files(log).items()
        parts += [name, *sorted(Path(file).name for day, paths in days if day < snapshot for file in paths)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
