"""Features of the users who are known and have not bought: a table of their own, which no family learns from."""

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
    """Write the rows of each snapshot, and say how many there are; none where nobody is known but for orders.

    The newest snapshot is always replaced, an older one where anything that it was computed from has changed.

    Args:
        settings: the settings.
        daily: the tables that features are computed from.
        inputs: by snapshot, an exclusive end of the data, a fingerprint of all that its rows depend on.
        features: those of users with orders; what is computed from orders is left out.
        undated: take in users of whom it isn't known since when they are there. Nothing can be learned from these:
            those who will come because they buy are among them.
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
    """Users of whom no version says since when they are known."""
    dated = users.valid_from > ibis.literal(tables.UNDATED)
    dated = dated | users.registered_at.notnull() if "registered_at" in users.columns else dated
    return users.select("user_id").distinct().anti_join(users.filter(dated), "user_id")
