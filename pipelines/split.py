"""Step `split`: join features with labels and plan which snapshots train, validate and test."""

import hashlib
import json
from datetime import date, timedelta
from typing import Any, NamedTuple

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from features.build import labels
from features.daily.tables import USER_DAY
from pipelines.errors import NothingToDo
from pipelines.files import code_fingerprint
from pipelines.lake import tables
from pipelines.lake.missing import missing
from pipelines.lake.names import FEATURE_TABLE, WITHOUT_ORDERS
from pipelines.lake.rows import between, snapshot_rows
from pipelines.results.data import Built
from pipelines.results.result import read_result
from pipelines.results.training import Split
from pipelines.retraining.decided import earlier_decision
from pipelines.retraining.snapshots import SnapshotPlan, is_matured, plan_snapshots
from pipelines.retraining.training_set import TRAINING_SETS, TRAINING_WITHOUT_ORDERS, attribute_names
from pipelines.settings import REPOSITORY, Settings

TRAINING_CODE = (
    "features",
    "models",
    "pipelines/build_features",
    "pipelines/retraining",
    "pipelines/split.py",
    "pipelines/sweep.py",
    "pipelines/train",
)
"""Code that a training runs. A change of other code (pages, the command line) needs no new training."""


def split(settings: Settings, snapshot_date: date, *, unless_decided: bool = False) -> Split:
    """Write the training sets of the retraining at `snapshot_date` (exclusive end of all labels).

    With `unless_decided`, a training whose decision would only be repeated ends here. A label covers `[snapshot,
    snapshot + label_days)`; the test label covers the whole horizon. The test label is null if the lake's orders end
    before the test window does: predictions can then be made, but not measured.

    Raises:
        NothingToDo: the same training was decided already.
        PurseError: `build_features` has not run for training, or the history is too short.
    """
    built = read_result(settings, snapshot_date, Built)
    days = tables.days(settings, "raw/order_lines")
    plan = plan_snapshots(
        days[0], snapshot_date, settings.horizon_days, settings.snapshots, missing(settings, "order_lines")
    )
    connection = tables.connect()
    user_day = tables.hold(connection, tables.read(connection, settings, USER_DAY.name))
    training_sets = [TrainingSet(FEATURE_TABLE, TRAINING_SETS, built.features)]
    if tables.exists(settings, WITHOUT_ORDERS):
        training_sets.append(TrainingSet(WITHOUT_ORDERS, TRAINING_WITHOUT_ORDERS, attribute_names(built.features)))
    rows = [_write(connection, settings, target, plan, user_day, snapshot_date) for target in training_sets]
    training_id = _training_id(connection, settings, snapshot_date, built.features)
    if unless_decided and (decision := earlier_decision(settings, snapshot_date, training_id)):
        raise NothingToDo(
            f"Nothing has changed since the last retraining (training {training_id}: data, code, settings and champion "
            f"are the same), so there is nothing to train. Its decision: {decision}"
        )
    return Split(
        snapshot_date=snapshot_date,
        training_id=training_id,
        horizon_days=settings.horizon_days,
        label_days=plan.label_days,
        folds=plan.folds,
        final=plan.final,
        test=plan.test,
        rows=rows[0],
        rows_without_orders=sum(rows[-1].values()) if len(rows) > 1 else 0,
        features=built.features,
    )


class TrainingSet(NamedTuple):
    """Table of features, target table for features with labels, and names of the features."""

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
) -> dict[date, int]:
    """Write a training set; return the number of rows by snapshot."""
    last_day = tables.days(settings, "raw/order_lines")[-1]
    parts, rows = [], {}
    for snapshot in plan.all:
        label_days = settings.horizon_days if snapshot == plan.test else plan.label_days
        features = snapshot_rows(connection, settings, training.source, snapshot)
        part = features.select("snapshot_date", "user_id", *training.names)
        part = part.left_join(labels(user_day, snapshot, label_days), "user_id").drop("user_id_right")
        known = snapshot != plan.test or is_matured(last_day, plan.test, settings.horizon_days)
        spend, purchased = part.future_spend.fill_null(0.0), part.purchased.fill_null(False)  # noqa: FBT003 - Ibis' API
        part = part.mutate(
            future_spend=spend if known else ibis.null("float64"),
            purchased=purchased if known else ibis.null("boolean"),
        )
        parts.append(part.to_pyarrow())
        rows[snapshot] = parts[-1].num_rows
    table = pa.concat_tables(parts)
    stamped = table.append_column("training_date", pa.array([snapshot_date] * table.num_rows, pa.date32()))
    end = snapshot_date + timedelta(days=1)
    tables.replace(settings, training.target, stamped, "training_date", snapshot_date, end)
    return rows


def _training_id(connection: Backend, settings: Settings, snapshot_date: date, features: list[str]) -> str:
    """Fingerprint of the data before the snapshot date, and of the code and settings that determine a model."""
    parts: list[Any] = [features, settings.horizon_days, settings.country, settings.scoring.model_dump()]
    parts.append(code_fingerprint(*(REPOSITORY / place for place in TRAINING_CODE)))
    sections = (settings.snapshots, settings.preprocessing, settings.sweep, settings.training)
    parts += [section.model_dump() for section in sections]
    for name in ("order_lines", "users", "products", "events"):
        if tables.exists(settings, f"raw/{name}"):
            table = between(tables.read(connection, settings, f"raw/{name}"), None, snapshot_date)
            text = ibis.literal("|").join([table[c].cast("string").fill_null("") for c in sorted(table.columns)])
            parts.append(str(text.hash().cast("decimal(38, 0)").sum().to_pandas()))
    parts.append(hashlib.sha256((REPOSITORY / "requirements.lock").read_bytes()).hexdigest())
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return f"{snapshot_date.isoformat()}-{digest[:8]}"
