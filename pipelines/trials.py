"""One trial: fit a family with given hyperparameters on each temporal fold, measure it, record it."""

import io
import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines import tracking
from pipelines.files import write_atomically
from pipelines.results import read_result
from pipelines.settings import Settings
from pipelines.study import Sweep, key

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from optuna.trial import FrozenTrial

    from models.protocol import LabelledUsers, SpendModel

Predictions = list[NDArray[np.float64]]
"""Expected spend of the validation users of each fold, in the order of the fold's rows."""

TRIAL = "purse.trial"


@dataclass(frozen=True)
class Fold:
    """Train on earlier snapshots, measure on a later one."""

    training: "LabelledUsers"
    validation: "LabelledUsers"


def read_folds(settings: Settings, snapshot_date: date) -> list[Fold]:
    """The labelled users of each temporal fold of the split."""
    from pipelines.split import read_labelled

    def labelled(days: list[str]) -> "LabelledUsers":
        return read_labelled(settings, snapshot_date, [date.fromisoformat(day) for day in days])[1]

    folds = read_result(settings, snapshot_date, "split")["folds"]
    return [Fold(labelled(fold["training"]), labelled([fold["validation"]])) for fold in folds]


def build_model(settings: Settings, family: str, params: dict[str, Any], seed: int, label_days: int) -> "SpendModel":
    """An unfitted model of a family, with the backend, threads and label horizon of this retraining."""
    os.environ.setdefault("KERAS_BACKEND", settings.training.backend)  # Keras reads it once, when it is imported
    from models import catalog

    return catalog.build(family, params, seed=seed, threads=settings.training.threads, horizon_days=label_days)


def all_params(settings: Settings, family: str, params: dict[str, Any]) -> dict[str, Any]:
    """The hyperparameters of a family's search space with their defaults where `params` doesn't name them."""
    from models.search_space import SPACE

    model = build_model(settings, family, params, seed=settings.sweep.seed, label_days=settings.horizon_days)
    # `btyd_features` is an attribute only of models that have some
    defaults = {name: getattr(model, name, "none") for name in SPACE[family]}
    return {**defaults, **params}


def run_trial(
    settings: Settings, family: str, params: dict[str, Any], folds: list[Fold], label_days: int
) -> tuple[Predictions, dict[str, float]]:
    """Fit on every fold; the out-of-time predictions, and each measure's mean over the folds.

    The validation snapshot is not shown to `fit`, or its use for early stopping would flatter the trial.
    """
    from models.metrics import measure

    predictions, measured, started = [], [], monotonic()
    for fold in folds:
        model = build_model(settings, family, params, settings.sweep.seed, label_days).fit(fold.training)
        said, true = model.predict(fold.validation.features), fold.validation
        spend = said["expected_spend"].to_numpy()
        if not np.isfinite(spend).all():
            raise ValueError(f"{(~np.isfinite(spend)).sum()} of {len(spend)} predictions are not finite numbers")
        bought = true.purchased.to_numpy(dtype=bool)
        measured.append(measure(true.future_spend, bought, spend, said["purchase_probability"]))
        predictions.append(spend)
    means = {f"validation_{name}": float(np.mean([m[name] for m in measured])) for name in measured[0]}
    by_fold = {f"validation_ngini_fold_{number}": m["ngini"] for number, m in enumerate(measured, start=1)}
    return predictions, means | by_fold | {"trial_seconds": monotonic() - started}


def save_predictions(sweep: Sweep, trial: "FrozenTrial", predictions: Predictions) -> None:
    """Keep a trial's out-of-time predictions, from which `train` chooses the weights of the blend."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, *predictions)
    write_atomically(_predictions_path(sweep, trial), buffer.getvalue())


def read_predictions(sweep: Sweep, trial: "FrozenTrial") -> Predictions | None:
    """What `save_predictions` kept; None where the file is gone."""
    path = _predictions_path(sweep, trial)
    if not path.is_file():
        return None
    with np.load(path) as arrays:
        return [arrays[name] for name in arrays.files]


def log_trial(client: "MlflowClient", sweep: Sweep, parent: str, trial: "FrozenTrial") -> None:
    """Write a finished trial as a nested run, all at once, so that a kill during a trial leaves no run behind.

    Logging again completes the run that is there.
    """
    from mlflow.entities import Metric, Param

    start, end = (round(moment.timestamp() * 1000) for moment in (trial.datetime_start, trial.datetime_complete))
    measures, error = trial.user_attrs.get("measures", {}), trial.user_attrs.get("error")
    with tracking.exclusive(sweep.settings, "mlflow-trials"):  # two workers may find the same trial without a run
        runs = tracking.find_runs(client, sweep.settings, "trial", sweep.name)
        same = [run for run in runs if run.data.tags.get(TRIAL) == str(trial.number)]
        if same and same[0].info.status != "RUNNING":
            return
        run_id = same[0].info.run_id if same else _create(client, sweep, parent, trial, start)
        metrics = [Metric(name, value, end, 0) for name, value in measures.items() if np.isfinite(value)]
        params = {
            "family": key(trial)[0],
            "draw": key(trial)[1],
            **trial.user_attrs.get("all_params", trial.user_attrs["params"]),
        }
        client.log_batch(run_id, metrics, [Param(name, str(value)) for name, value in params.items()])
        if error:
            client.set_tag(run_id, "error", error)
        client.set_terminated(run_id, "FAILED" if error else "FINISHED", end)


def _predictions_path(sweep: Sweep, trial: "FrozenTrial") -> Path:
    family, draw = key(trial)
    return sweep.settings.home_path / "sweeps" / sweep.name / f"{family}-{draw}.npz"


def _create(client: "MlflowClient", sweep: Sweep, parent: str, trial: "FrozenTrial", start: int) -> str:
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    family, draw = key(trial)
    tags = {
        MLFLOW_PARENT_RUN_ID: parent,
        tracking.TRAINING_ID: sweep.name,
        tracking.KIND: "trial",
        TRIAL: str(trial.number),
        "family": family,
        "worker": trial.user_attrs.get("worker", ""),
    }
    experiment = tracking.experiment_id(client, sweep.settings)
    return str(client.create_run(experiment, start, tags, run_name=f"{family} {draw}").info.run_id)
