"""Log each finished trial as a nested MLflow run; parameter and metric names are the same for every family."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from pipelines.files import exclusive
from pipelines.lake import tables
from pipelines.retraining.study.study import Sweep, hyperparameters, key
from pipelines.retraining.training_set import TRAINING_SETS
from pipelines.tracking.experiments import WINNER, experiment_id
from pipelines.tracking.runs import KIND, TRAINING_ID, find_runs, log_data

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric
    from optuna.trial import FrozenTrial

TRIAL = "purse.trial"
"""Tag of a nested run: the number of its trial in the study."""


def log_trial(client: "MlflowClient", sweep: Sweep, parent: str, trial: "FrozenTrial") -> None:
    """Log a finished trial as a nested run, all at once, so that a kill during a trial leaves no run behind.

    A pruned trial becomes a finished run with the tag `pruned`, its last epoch. Logging again completes a run that is
    still RUNNING.
    """
    from mlflow.entities import Param

    start, end = (round(moment.timestamp() * 1000) for moment in (trial.datetime_start, trial.datetime_complete))
    family, draw = key(trial)
    error = trial.user_attrs.get("error")
    with exclusive(sweep.settings, "mlflow-trials"):  # two workers may find the same trial without a run
        runs = find_runs(client, sweep.settings, "trial", sweep.name)
        same = [run for run in runs if run.data.tags.get(TRIAL) == str(trial.number)]
        if same and same[0].info.status != "RUNNING":
            return
        run_id = same[0].info.run_id if same else _create(client, sweep, parent, trial, start)
        params = {"family": family, "draw": draw, **hyperparameters(trial)}
        client.log_batch(run_id, _metrics(trial, end), [Param(name, str(value)) for name, value in params.items()])
        if tables.exists(sweep.settings, TRAINING_SETS):
            version = tables.version(sweep.settings, TRAINING_SETS)
            log_data(client, sweep.settings, run_id, TRAINING_SETS, version, "training")
        if error:
            client.set_tag(run_id, "error", error)
        if trial.state.name == "PRUNED":
            client.set_tag(run_id, "pruned", str(trial.last_step))
        client.set_terminated(run_id, "FAILED" if error else "FINISHED", end)


def mark_winners(client: "MlflowClient", sweep: Sweep, weights: Mapping[int, float]) -> None:
    """Tag the runs of the trials that the model consists of with their weights, by number of the trial."""
    for run in find_runs(client, sweep.settings, "trial", sweep.name):
        weight = weights.get(int(run.data.tags[TRIAL]), 0.0)
        if weight > 0:
            client.set_tag(run.info.run_id, WINNER, f"{weight:.0%} of the model")


def _metrics(trial: "FrozenTrial", end: int) -> "list[Metric]":
    """Finite measures, and learning curves with the epoch as step; MLflow plots only finite numbers."""
    from mlflow.entities import Metric

    measures = [(name, value, 0) for name, value in trial.user_attrs.get("measures", {}).items()]
    curves = [
        (f"curve_{name}", value, epoch)
        for name, values in trial.user_attrs.get("curves", {}).items()
        for epoch, value in enumerate(values, start=1)
    ]
    return [Metric(name, value, end, step) for name, value, step in measures + curves if np.isfinite(value)]


def _create(client: "MlflowClient", sweep: Sweep, parent: str, trial: "FrozenTrial", start: int) -> str:
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    family, draw = key(trial)
    tags = {
        MLFLOW_PARENT_RUN_ID: parent,
        TRAINING_ID: sweep.name,
        KIND: "trial",
        TRIAL: str(trial.number),
        "family": family,
        "worker": trial.user_attrs.get("worker", ""),
    }
    experiment = experiment_id(client, sweep.settings)
    return str(client.create_run(experiment, start, tags, run_name=f"{family} {draw}").info.run_id)
