"""Reference of monitoring: learned when the champion is trained, stored as an artifact of its run."""

from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, TypeAdapter

from features.definitions import BY_NAME
from features.feature import SEQUENCE
from models.measures.drift import FEW, MIN_ROWS, Column, Summary, learn, pool, summarise
from pipelines.lake import tables
from pipelines.lake.rows import snapshot_rows
from pipelines.results.training import Split
from pipelines.retraining.reference.days import SEASONAL, summarise_days
from pipelines.retraining.training_set import Labelled
from pipelines.settings import Settings
from pipelines.tracking.artifacts import DamagedArtifact, read_json
from pipelines.tracking.runs import connect

if TYPE_CHECKING:
    from models.purchasing_power import PurchasingPower

FILE = "monitoring_reference.json"
PREDICTED = ("score", "purchase_probability", "tier")
"""Compared columns of the predictions. Money is left out: it moves with the forecast level, see realised bias."""

PREDICTED_USERS = 5_000
"""Users predicted per past snapshot to learn how much predictions vary without drift."""


@dataclass(frozen=True)
class Reference:
    """A champion's reference.

    Attributes:
        snapshot: snapshot of the reference population.
        columns: columns by name: features.*, predictions.* and days.*.
    """

    snapshot: date
    columns: dict[str, Column]


class Stored(BaseModel):
    """Content of the artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    snapshot: date
    columns: dict[str, dict[str, Any]]


def learn_reference(
    settings: Settings, split: Split, model: "PurchasingPower", training: Labelled, test: Labelled
) -> dict[str, Any]:
    """Learn the reference of a retraining, as JSON.

    Summaries of features and predictions of the reference population (the one behind the scores) with their distances
    to the training snapshots, and of the pooled days before the snapshot date with the distance of each day.
    """
    populations = {day: _population(training.at(day).users.features, model) for day in sorted(split.final)}
    populations[split.test] = _population(test.users.features, model)
    columns = learn_populations(populations, split.test, tables.days(settings, "raw/order_lines")[0])
    start = split.snapshot_date - timedelta(days=settings.monitor.reference_days)
    columns |= learn_days(summarise_days(settings, start, split.snapshot_date))
    return {"snapshot": split.test.isoformat(), "columns": {name: asdict(column) for name, column in columns.items()}}


def learn_populations(populations: dict[date, dict[str, Summary]], test: date, first_day: date) -> dict[str, Column]:
    """Learn the reference of each feature and prediction at `test`, with its distances to the other snapshots.

    A window longer than the history fills from day to day. Snapshots on which it was not full are ignored, and without
    enough others the feature is left out.

    Args:
        populations: summaries by snapshot, `test` included.
        test: the snapshot of the reference population.
        first_day: first day of the history.
    """
    columns = {}
    for name, summary in populations[test].items():
        window = _window_days(name)
        full = first_day + timedelta(days=window)
        past = sorted(day for day in populations if day != test and (day >= full or not window))
        if len(past) >= FEW or not window:
            lags = [float((test - day).days) for day in past]
            columns[name] = learn(summary, [populations[day][name] for day in past], lags)
    return columns


def _window_days(column: str) -> int:
    """Days of history that a feature's window or half-life covers; 0 without one."""
    feature = BY_NAME.get(column.removeprefix("features."))
    return (feature.reads_days or feature.window_days or feature.half_life_days or 0) if feature else 0


def moves_by_calendar(column: str) -> bool:
    """Whether a column moves as days pass, by the declaration of its feature or daily measure."""
    if column.startswith("days."):
        return column.removeprefix("days.") in SEASONAL
    feature = BY_NAME.get(column.removeprefix("features."))
    return feature is not None and (feature.moves_by_calendar or feature.grows_with_history)


def learn_days(days: dict[str, dict[date, Summary]]) -> dict[str, Column]:
    """Learn the reference of each daily measure; the distance between days does not matter."""
    columns = {}
    for name, by_day in days.items():
        enough = [summary for summary in by_day.values() if summary.rows >= MIN_ROWS]
        if enough:
            columns[f"days.{name}"] = learn(pool(enough), enough, [0.0] * len(enough))
    return columns


def read_reference(settings: Settings, version: str) -> Reference | None:
    """Read the reference of a registered version; None if its training stored none."""
    client = connect(settings)
    run_id = client.get_model_version(settings.mlflow.model_name, version).run_id
    stored = read_json(settings, client, run_id or "", FILE, TypeAdapter(Stored))
    if stored is None:
        return None
    try:
        columns = {name: Column.from_dict(column) for name, column in stored.columns.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedArtifact(run_id or "", FILE, f"a column does not fit ({type(error).__name__})") from error
    return Reference(stored.snapshot, columns)


def summarise_features(features: pd.DataFrame) -> dict[str, Summary]:
    """Summarise features as `features.<name>`, without sequences."""
    names = [name for name in features if not str(name).startswith(SEQUENCE)]
    return {f"features.{name}": summarise(features[name]) for name in names}


def summarise_predictions(scores: pd.DataFrame) -> dict[str, Summary]:
    """Summarise predictions for users with orders as `predictions.<column>`."""
    return {f"predictions.{name}": summarise(scores[name]) for name in PREDICTED}


def newest_summaries(settings: Settings, snapshot_date: date) -> dict[str, Summary]:
    """Summarise the day before a snapshot as `days.<measure>`; measures without rows are absent."""
    day = snapshot_date - timedelta(days=1)
    found = summarise_days(settings, day, snapshot_date)
    return {f"days.{name}": by_day[day] for name, by_day in found.items() if day in by_day}


def rows_of(settings: Settings, table_name: str, snapshot_date: date) -> pd.DataFrame:
    """Rows of a snapshot in a table of the lake; empty if the table does not exist."""
    if not tables.exists(settings, table_name):
        return pd.DataFrame()
    rows = snapshot_rows(tables.connect(), settings, table_name, snapshot_date)
    return rows.drop("snapshot_date").to_pyarrow().to_pandas()


def _population(features: pd.DataFrame, model: "PurchasingPower") -> dict[str, Summary]:
    some = features if len(features) <= PREDICTED_USERS else features.sample(PREDICTED_USERS, random_state=0)
    return summarise_features(features) | summarise_predictions(model.predict_spend(some))
