"""Features of known users without orders: a separate table that no family learns from."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from features.build import build
from features.daily.tables import USER_EVENT_DAY
from features.definitions import of_attributes
from features.feature import Feature
from features.schema import USERS
from pipelines.lake import commit_log, tables
from pipelines.lake.names import WITHOUT_ORDERS
from pipelines.settings import Settings


def write_features(
    settings: Settings,
    daily: Mapping[str, ir.Table],
    inputs: Mapping[date, str],
    features: Sequence[Feature],
    *,
    undated: bool,
) -> int:
    """Write the rows of each snapshot and return their number; 0 if users are known by their orders only.

    The newest snapshot is always replaced, older ones only if their inputs changed.

    Args:
        settings: the settings.
        daily: tables that features are computed from.
        inputs: fingerprint of all inputs by snapshot, the exclusive end of the data.
        features: features of users with orders; features computed from orders are left out.
        undated: include users without a known start date. They are useless for training: they include users who appear
            because they buy later.
    """
    if not {USERS.name, USER_EVENT_DAY.name} & set(daily):
        return 0
    there = tables.exists(settings, WITHOUT_ORDERS)
    built = commit_log.snapshots(tables.open_table(settings, WITHOUT_ORDERS)) if there else {}
    for snapshot, found in inputs.items():
        fingerprint = f"{found} {'with' if undated else 'without'} undated"
        if snapshot != max(inputs) and built.get(snapshot.isoformat()) == fingerprint:
            continue
        rows = build(daily, snapshot, of_attributes(features), population="without_orders")
        if "users" in daily and not undated:
            rows = rows.anti_join(_undated(daily["users"]), "user_id")
        table = rows.to_pyarrow()
        stamped = table.append_column("snapshot_date", pa.array([snapshot] * table.num_rows, pa.date32()))
        built[snapshot.isoformat()] = fingerprint
        kept, end = {"snapshots": json.dumps(built)}, snapshot + timedelta(days=1)
        tables.replace(settings, WITHOUT_ORDERS, stamped, "snapshot_date", snapshot, end, kept)
    counts = commit_log.row_counts(tables.open_table(settings, WITHOUT_ORDERS))
    return sum(counts.get(snapshot, 0) for snapshot in inputs)


def _undated(users: ir.Table) -> ir.Table:
    """Users without a start date in any version."""
    dated = users.valid_from > ibis.literal(tables.UNDATED)
    dated = dated | users.registered_at.notnull() if "registered_at" in users.columns else dated
    return users.select("user_id").distinct().anti_join(users.filter(dated), "user_id")
