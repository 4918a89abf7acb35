"""Step `split`: join features with labels and say which snapshots train, validate and test."""

import hashlib
import json
from datetime import date, timedelta
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
from ibis.backends.duckdb import Backend

from features.build import labels
from models.protocol import LabelledUsers
from pipelines import lake
from pipelines.results import read_result
from pipelines.settings import REPOSITORY, Settings
from pipelines.snapshots import SnapshotPlan, is_matured, plan_snapshots

LABELS = ("future_spend", "purchased")


def split(settings: Settings, snapshot_date: date) -> dict[str, Any]:
    """Write the training set of the retraining at `snapshot_date` (exclusive end of all labels).

    A label covers `[snapshot, snapshot + label_days)`, the test label the whole horizon. Where the lake's orders end
    before the test window does, the test label is null: a prediction can be made and not be measured.

    Returns:
        training_id (same data and settings give the same one), horizon_days, label_days, the folds, the snapshots of
        the final fit, the test snapshot and the rows of each.
    """
    built = read_result(settings, snapshot_date, "build_features")
    days = lake.days(settings, "raw/order_lines")
    plan = plan_snapshots(days[0], snapshot_date, settings.horizon_days, settings.snapshots)
    connection = lake.connect()
    features = lake.read(connection, settings, "features")
    user_day = lake.hold(connection, lake.read(connection, settings, "user_day"))
    parts, rows = [], {}
    for snapshot in plan.all:
        label_days = settings.horizon_days if snapshot == plan.test else plan.label_days
        part = features.filter(features.snapshot_date == snapshot).select(
            "snapshot_date", "user_id", *built["features"]
        )
        part = part.left_join(labels(user_day, snapshot, label_days), "user_id").drop("user_id_right")
        known = snapshot != plan.test or is_matured(days[-1], plan.test, settings.horizon_days)
        spend, purchased = part.future_spend.fill_null(0.0), part.purchased.fill_null(False)  # noqa: FBT003 - Ibis' API
        part = part.mutate(
            future_spend=spend if known else ibis.null("float64"),
            purchased=purchased if known else ibis.null("boolean"),
        )
        parts.append(part.to_pyarrow())
        rows[snapshot.isoformat()] = parts[-1].num_rows
    table = pa.concat_tables(parts)
    stamped = table.append_column("training_date", pa.array([snapshot_date] * table.num_rows, pa.date32()))
    lake.replace(settings, "training_sets", stamped, "training_date", snapshot_date, snapshot_date + timedelta(days=1))
    identity = _training_id(connection, settings, snapshot_date, built["features"])
    return {
        "training_id": identity,
        "horizon_days": settings.horizon_days,
        **_described(plan),
        "rows": rows,
        "features": built["features"],
    }


def read_labelled(settings: Settings, training_date: date, snapshots: list[date]) -> tuple[pd.Series, LabelledUsers]:
    """The users of some snapshots of a training set, ordered by snapshot and user.

    Returns:
        user_id and the labelled users, one row per user and snapshot, with the features of that build.
    """
    names = read_result(settings, training_date, "split")["features"]
    table = lake.read(lake.connect(), settings, "training_sets")
    chosen = table.filter(table.training_date == training_date, table.snapshot_date.isin(snapshots))
    ordered = chosen.order_by(["snapshot_date", "user_id"]).select("user_id", *names, *LABELS)
    frame = ordered.to_pyarrow().to_pandas()  # lists of actions become arrays, which Ibis' own way makes slow
    labelled = LabelledUsers(frame[names], frame["future_spend"], frame["purchased"])
    return frame["user_id"], labelled


def _training_id(connection: Backend, settings: Settings, snapshot_date: date, features: list[str]) -> str:
    """A fingerprint of the data before the snapshot date, of the code and of the settings that shape a model."""
    parts: list[Any] = [features, settings.horizon_days, settings.scoring.model_dump()]
    sources = sorted(
        path for package in ("features", "models", "pipelines") for path in (REPOSITORY / package).rglob("*.py")
    )
    parts += [hashlib.sha256(path.read_bytes()).hexdigest() for path in sources]
    parts += [section.model_dump() for section in (settings.snapshots, settings.sweep, settings.training)]
    for name in ("order_lines", "users", "products", "events"):
        if lake.exists(settings, f"raw/{name}"):
            table = lake.read(connection, settings, f"raw/{name}")
            table = table.filter(table.day < snapshot_date)
            text = ibis.literal("|").join([table[c].cast("string").fill_null("") for c in sorted(table.columns)])
            parts.append(str(text.hash().cast("decimal(38, 0)").sum().to_pandas()))
    parts.append(hashlib.sha256((REPOSITORY / "requirements.lock").read_bytes()).hexdigest())
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return f"{snapshot_date.isoformat()}-{digest[:8]}"


def _described(plan: SnapshotPlan) -> dict[str, Any]:
    return {
        "label_days": plan.label_days,
        "folds": [
            {"validation": fold.validation.isoformat(), "training": [s.isoformat() for s in fold.training]}
            for fold in plan.folds
        ],
        "final": [s.isoformat() for s in plan.final],
        "test": plan.test.isoformat(),
    }
