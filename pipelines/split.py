"""Step `split`: join features with labels and say which snapshots train, validate and test."""

import hashlib
import json
from datetime import date, timedelta
from typing import Any, NamedTuple

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa
from ibis.backends.duckdb import Backend
from numpy.typing import NDArray

from features.build import labels
from features.definitions import FEATURES, of_attributes
from models.protocol import LabelledUsers
from pipelines import lake
from pipelines.results import read_result
from pipelines.settings import REPOSITORY, Settings
from pipelines.snapshots import SnapshotPlan, is_matured, plan_snapshots
from pipelines.without_orders import WITHOUT_ORDERS

LABELS = ("future_spend", "purchased")
TRAINING_SETS = "training_sets"
TRAINING_WITHOUT_ORDERS = "training_sets_without_orders"
"""Tables of the labelled users with and without orders; no model but the cold start learns from the second."""

USER_FOLD_SALT = "purse.user_fold:"
"""Another one than other groupings by user would use, or their groups would be these."""


def split(settings: Settings, snapshot_date: date) -> dict[str, Any]:
    """Write the training sets of the retraining at `snapshot_date` (exclusive end of all labels).

    A label covers `[snapshot, snapshot + label_days)`, the test label the whole horizon. Where the lake's orders end
    before the test window does, the test label is null: a prediction can be made and not be measured.

    Returns:
        training_id (same data and settings give the same one), horizon_days, label_days, the folds, the snapshots of
        the final fit, the test snapshot and the rows of each, and how many more are of users without orders.
    """
    built = read_result(settings, snapshot_date, "build_features")
    days = lake.days(settings, "raw/order_lines")
    plan = plan_snapshots(days[0], snapshot_date, settings.horizon_days, settings.snapshots)
    connection = lake.connect()
    user_day = lake.hold(connection, lake.read(connection, settings, "user_day"))
    training = [TrainingSet("features", TRAINING_SETS, built["features"])]
    if lake.exists(settings, WITHOUT_ORDERS):
        training.append(TrainingSet(WITHOUT_ORDERS, TRAINING_WITHOUT_ORDERS, attribute_names(built["features"])))
    rows = [_write(connection, settings, one, plan, user_day, snapshot_date) for one in training]
    identity = _training_id(connection, settings, snapshot_date, built["features"])
    return {
        "training_id": identity,
        "horizon_days": settings.horizon_days,
        **_described(plan),
        "rows": rows[0],
        "rows_without_orders": sum(rows[-1].values()) if len(rows) > 1 else 0,
        "features": built["features"],
    }


def attribute_names(features: list[str]) -> list[str]:
    """Those of the features that users without orders have too."""
    return [feature.name for feature in of_attributes(FEATURES) if feature.name in features]


def read_labelled(
    settings: Settings,
    training_date: date,
    snapshots: list[date],
    names: list[str] | None = None,
    table_name: str = TRAINING_SETS,
) -> tuple[pd.Series, LabelledUsers]:
    """The users of some snapshots of a training set, ordered by snapshot and user.

    Args:
        settings: the settings.
        training_date: of the retraining.
        snapshots: whose users.
        names: of the features; None: all of that build.
        table_name: of the training set.

    Returns:
        user_id and the labelled users, one row per user and snapshot.
    """
    if names is None:
        names = read_result(settings, training_date, "split")["features"]
    table = lake.read(lake.connect(), settings, table_name)
    chosen = table.filter(table.training_date == training_date, table.snapshot_date.isin(snapshots))
    ordered = chosen.order_by(["snapshot_date", "user_id"]).select("user_id", *names, *LABELS)
    frame = ordered.to_pyarrow().to_pandas()  # lists of actions become arrays, which Ibis' own way makes slow
    labelled = LabelledUsers(frame[names], frame["future_spend"], frame["purchased"], frame["user_id"])
    return frame["user_id"], labelled


class TrainingSet(NamedTuple):
    """A table of features, the table that they are written to with their labels, and their names."""

    source: str
    target: str
    names: list[str]


def _write(
    connection: Backend,
    settings: Settings,
    training: TrainingSet,
    plan: SnapshotPlan,
    user_day: ir.Table,
    snapshot_date: date,
) -> dict[str, int]:
    """Write a training set; the rows of each snapshot."""
    features = lake.read(connection, settings, training.source)
    last_day = lake.days(settings, "raw/order_lines")[-1]
    parts, rows = [], {}
    for snapshot in plan.all:
        label_days = settings.horizon_days if snapshot == plan.test else plan.label_days
        part = features.filter(features.snapshot_date == snapshot).select("snapshot_date", "user_id", *training.names)
        part = part.left_join(labels(user_day, snapshot, label_days), "user_id").drop("user_id_right")
        known = snapshot != plan.test or is_matured(last_day, plan.test, settings.horizon_days)
        spend, purchased = part.future_spend.fill_null(0.0), part.purchased.fill_null(False)  # noqa: FBT003 - Ibis' API
        part = part.mutate(
            future_spend=spend if known else ibis.null("float64"),
            purchased=purchased if known else ibis.null("boolean"),
        )
        parts.append(part.to_pyarrow())
        rows[snapshot.isoformat()] = parts[-1].num_rows
    table = pa.concat_tables(parts)
    stamped = table.append_column("training_date", pa.array([snapshot_date] * table.num_rows, pa.date32()))
    end = snapshot_date + timedelta(days=1)
    lake.replace(settings, training.target, stamped, "training_date", snapshot_date, end)
    return rows


def user_folds(user_id: pd.Series, folds: int) -> NDArray[np.intp]:
    """The fold of each user, 0 to `folds` - 1: the same at every snapshot, on every machine and in every run."""

    def fold(user: str) -> int:
        return int(hashlib.md5(f"{USER_FOLD_SALT}{user}".encode(), usedforsecurity=False).hexdigest()[:8], 16) % folds

    known = {user: fold(user) for user in user_id.unique()} if folds > 1 else {}
    return np.array([known.get(user, 0) for user in user_id], dtype=np.intp)


def _training_id(connection: Backend, settings: Settings, snapshot_date: date, features: list[str]) -> str:
    """A fingerprint of the data before the snapshot date, of the code and of the settings that shape a model."""
    parts: list[Any] = [features, settings.horizon_days, settings.country, settings.scoring.model_dump()]
    sources = sorted(
        path for package in ("features", "models", "pipelines") for path in (REPOSITORY / package).rglob("*.py")
    )
    parts += [hashlib.sha256(path.read_bytes()).hexdigest() for path in sources]
    chosen = (settings.snapshots, settings.preprocessing, settings.sweep, settings.training)
    parts += [section.model_dump() for section in chosen]
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
