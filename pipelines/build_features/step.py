"""Step `build_features`: bring the daily tables up to date, then compute the features of each snapshot."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Literal

import ibis
import ibis.expr.types as ir
from deltalake import DeltaTable
from ibis.backends.duckdb import Backend

import features
from features import sequences
from features.build import build, part
from features.definitions import FEATURES, available
from features.feature import Feature
from models.catalog import reads_sequences
from pipelines.build_features.daily_tables import refresh
from pipelines.build_features.without_orders import write_features
from pipelines.compute import backend
from pipelines.files import code_fingerprint
from pipelines.lake import commit_log, tables
from pipelines.lake.checks import check
from pipelines.lake.missing import missing, named
from pipelines.lake.names import FEATURE_TABLE
from pipelines.results.data import Built
from pipelines.retraining.snapshots import NEWEST_HISTORY, plan_snapshots
from pipelines.settings import Settings

Purpose = Literal["training", "scoring"]

DAYS_AT_ONCE = 5_000_000
"""Approximate number of daily rows per part of the users, so that memory does not grow with the shop."""


def build_features(settings: Settings, snapshot_date: date, purpose: Purpose = "scoring") -> Built:
    """Write the features of all snapshots that a run at `snapshot_date` (exclusive) needs.

    The newest snapshot is always replaced, older ones only if their inputs changed.

    Args:
        settings: the settings.
        snapshot_date: end of the data, exclusive.
        purpose: "scoring" for the snapshot itself, "training" for the rolling snapshots of a retraining.

    Raises:
        PurseError: the history is too short, or features of the newest snapshot break a rule; that snapshot stays
            unchanged, older ones have been replaced.
    """
    connection = backend.connect(settings)
    raw = {name: tables.read(connection, settings, f"raw/{name}") for name in _tables(settings)}
    tables.bound(connection, settings)
    given = {f"{name}.{column}" for name, table in raw.items() for column in table.columns}
    wanted = available(given)
    wants_sequences = any(reads_sequences(family) for family in settings.sweep.families)
    channels = sequences.available(given) if wants_sequences else ()
    lists = [channel.name for channel in channels]
    computed = refresh(settings, connection)
    logs = {name: tables.open_table(settings, name) for name in computed}
    logs |= {"users": tables.open_table(settings, "raw/users")} if "users" in raw else {}
    snapshots, holes = [snapshot_date], missing(settings, "order_lines")
    if purpose == "training":
        first_day = tables.days(settings, "raw/order_lines")[0]
        plan = plan_snapshots(first_day, snapshot_date, settings.horizon_days, settings.snapshots, holes)
        snapshots = list(plan.all)
    names = [feature.name for feature in wanted] + lists
    daily = {name: tables.read_opened(connection, log) for name, log in logs.items()}
    contents = {name: _users(daily[name]) if name == "users" else _files(log) for name, log in logs.items()}
    inputs, report = _inputs(contents, names, snapshots), None
    built = (
        commit_log.snapshots(tables.open_table(settings, FEATURE_TABLE))
        if tables.exists(settings, FEATURE_TABLE)
        else {}
    )
    stale = [day for day in snapshots if day == snapshots[-1] or built.get(day.isoformat()) != inputs[day]]
    parts = _parts(logs) if connection.name == "duckdb" else 1  # Spark partitions by itself
    if len(snapshots) > 1:  # open hundreds of files once and not per snapshot
        daily = {name: tables.hold(connection, table) for name, table in daily.items()}
    for snapshot in stale:
        rows = _held(connection, daily, snapshot, wanted, channels, parts)
        if snapshot == snapshots[-1]:
            numbers = (
                rows.drop(lists).to_pyarrow().to_pandas(split_blocks=True, self_destruct=True)
            )  # one copy, not three
            report = check(settings, numbers, "features", snapshot)
        built[snapshot.isoformat()] = inputs[snapshot]
        kept, opened = {"snapshots": json.dumps(built)}, partial(tables.stream, connection, rows)
        tables.replace(settings, FEATURE_TABLE, opened, "snapshot_date", snapshot, snapshot + timedelta(days=1), kept)
        tables.release(connection, rows)
    counts = commit_log.row_counts(tables.open_table(settings, FEATURE_TABLE))
    return Built(
        snapshot_date=snapshot_date,
        snapshots=snapshots,
        days_computed=computed,
        rows=sum(counts[snapshot] for snapshot in snapshots if snapshot in counts),
        rows_without_orders=write_features(settings, daily, inputs, wanted, undated=purpose == "scoring"),
        features=names,
        left_out=[feature.name for feature in FEATURES if feature.name not in names],
        data_docs=report.data_docs if report else None,
        warnings=[*(report.warnings if report else []), *_without_days(snapshots[-1], holes)],
    )


def _without_days(snapshot: date, holes: Sequence[date]) -> list[str]:
    """Warn if the newest history of a snapshot has missing days: its features take them for days without orders."""
    newest = [day for day in holes if snapshot - timedelta(days=NEWEST_HISTORY) <= day < snapshot]
    return [
        f"The newest history of {snapshot} has missing days, counted as days without orders: {named(newest)}."
    ] * bool(newest)


def _held(
    connection: Backend,
    daily: Mapping[str, ir.Table],
    snapshot: date,
    wanted: Sequence[Feature],
    channels: Sequence[sequences.Channel],
    parts: int,
) -> ir.Table:
    """Rows of a snapshot, computed once, part by part of the users."""
    portions = [build(part(daily, number, parts), snapshot, wanted, channels) for number in range(parts)]
    return tables.hold(connection, *(portion.mutate(snapshot_date=ibis.literal(snapshot)) for portion in portions))


def _parts(logs: Mapping[str, DeltaTable]) -> int:
    return 1 + max(sum(commit_log.row_counts(log).values()) for log in logs.values()) // DAYS_AT_ONCE


def _tables(settings: Settings) -> list[str]:
    optional = [name for name in ("users", "products", "events") if tables.exists(settings, f"raw/{name}")]
    return ["order_lines", *optional]


def _inputs(
    contents: Mapping[str, Mapping[date, str]], names: Sequence[str], snapshots: Sequence[date]
) -> dict[date, str]:
    """Fingerprint of each snapshot's inputs: columns, code, and the content of earlier days.

    Args:
        contents: content identifier by table and day, which changes with the day's rows.
        names: names of the columns.
        snapshots: exclusive ends of the data.
    """
    code = [*names, code_fingerprint(Path(features.__file__).parent)]
    days = [(day, f"{name} {content}") for name, table in contents.items() for day, content in table.items()]
    found = {}
    for snapshot in snapshots:
        before = sorted(content for day, content in days if day < snapshot)
        found[snapshot] = hashlib.sha256("\n".join([*code, *before]).encode()).hexdigest()[:16]
    return found


def _files(log: DeltaTable) -> dict[date, str]:
    """Names of the files by day; files never change."""
    return {day: " ".join(sorted(Path(file).name for file in paths)) for day, paths in commit_log.files(log).items()}


def _users(users: ir.Table) -> dict[date, str]:
    """Hash of the rows by the day on which versions begin; `validate` rewrites undated rows each time."""
    row = ibis.struct({name: users[name] for name in sorted(users.columns)}).hash()
    sums = users.group_by(day=users.valid_from.date()).aggregate(rows=users.count(), hashes=row.bit_xor())
    return {of["day"]: f"{of['day']} {of['rows']} {of['hashes']}" for of in sums.to_pyarrow().to_pylist()}
