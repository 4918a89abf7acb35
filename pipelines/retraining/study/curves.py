"""Log learning curves: `train` logs each fitted network as a nested run with losses by epoch and TensorBoard files.

Metric names are the same for every family, and the step is the epoch (from 1), so MLflow plots families together.
"""

import tempfile
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.settings import Settings
from pipelines.tracking.experiments import experiment_id
from pipelines.tracking.runs import KIND, TRAINING_ID, connect, find_runs, retraining_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from models.networks.data import Epoch

CURVES = ("loss", "validation_loss", "validation_ngini")


def mean_curves(history: Sequence[Sequence[Mapping[str, float]]]) -> dict[str, list[float]]:
    """Average each curve by epoch, over the networks that reached the epoch.

    Args:
        history: losses by network and epoch; see `SpendNetwork`.
    """
    epochs = [
        [network[epoch] for network in history if epoch < len(network)]
        for epoch in range(max(map(len, history), default=0))
    ]
    return {name: [float(np.mean([losses[name] for losses in same])) for same in epochs] for name in CURVES}


def write_tensorboard(folder: Path, history: "Sequence[Sequence[Epoch]]") -> None:
    """Write event files for `tensorboard --logdir` (not a dependency), one subfolder per member."""
    import tensorflow as tf

    # the metadata that `tf.summary.scalar` would write; that function needs TensorBoard
    about = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "scalars"}, data_class="DATA_CLASS_SCALAR")
    for number, member in enumerate(history):
        with tf.summary.create_file_writer(str(folder / f"member-{number}")).as_default():
            for epoch, losses in enumerate(member):
                for name, value in losses.items():
                    tf.summary.write(name, tf.constant(value, tf.float32), epoch, metadata=about)


def log_curves(
    settings: Settings, training_id: str, family: str, params: dict[str, Any], history: "Sequence[Sequence[Epoch]]"
) -> None:
    """Log the nested run of a fitted network once; an unfinished run, left by a kill, is deleted and logged again."""
    client = connect(settings)
    for run in find_runs(client, settings, "network", training_id):
        if run.data.tags["family"] == family:
            if run.info.status == "FINISHED":
                return
            client.delete_run(run.info.run_id)
    _log_run(client, _create_run(client, settings, training_id, family), params, history)


def _create_run(client: "MlflowClient", settings: Settings, training_id: str, family: str) -> str:
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    tags = {
        MLFLOW_PARENT_RUN_ID: retraining_run(settings, training_id),
        TRAINING_ID: training_id,
        KIND: "network",
        "family": family,
    }
    experiment = experiment_id(client, settings)
    return str(client.create_run(experiment, tags=tags, run_name=f"{family} fitted").info.run_id)


def _log_run(client: "MlflowClient", run_id: str, params: dict[str, Any], history: "Sequence[Sequence[Epoch]]") -> None:
    from mlflow.entities import Metric, Param
    from mlflow.utils.time import get_current_time_millis

    now = get_current_time_millis()
    metrics = [
        Metric(f"curve_{name}", value, now, epoch)
        for name, values in mean_curves(history).items()
        for epoch, value in enumerate(values, start=1)
        if isfinite(value)
    ]
    metrics.append(Metric("fit_seconds", sum(epoch["seconds"] for member in history for epoch in member), now, 0))
    client.log_batch(run_id, metrics, [Param(name, str(value)) for name, value in params.items()])
    with tempfile.TemporaryDirectory() as folder:
        write_tensorboard(Path(folder), history)
        client.log_artifacts(run_id, folder, "tensorboard")
    client.set_terminated(run_id)
