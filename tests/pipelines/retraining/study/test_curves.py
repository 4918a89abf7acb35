"""Networks in the step `train`: checkpoints, learning curves, TensorBoard's files and the machine's load."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from models.networks import training
from pipelines.results.result import read_result, write_result
from pipelines.results.training import Split
from pipelines.retraining.fitting import build_model
from pipelines.retraining.study import curves
from pipelines.retraining.training_set import read_labelled
from pipelines.settings import REPOSITORY
from pipelines.tracking import logged_model
from pipelines.tracking.runs import connect, find_runs
from pipelines.train import fit
from pipelines.train import step as train

HISTORY = [
    [
        {"loss": 3.0, "validation_loss": 4.0, "validation_ngini": 0.2, "seconds": 1.0},
        {"loss": 1.0, "validation_loss": float("nan"), "validation_ngini": 0.4, "seconds": 1.0},
    ],
    [{"loss": 1.0, "validation_loss": 2.0, "validation_ngini": 0.4, "seconds": 2.0}],
]


def test_a_curve_is_the_mean_over_the_members_that_trained_so_long():
    assert curves.mean_curves(HISTORY) == {
        "loss": [2.0, 1.0],
        "validation_loss": [3.0, pytest.approx(float("nan"), nan_ok=True)],
        "validation_ngini": [pytest.approx(0.3), 0.4],
    }
    assert curves.mean_curves([]) == {name: [] for name in curves.CURVES}


def events(folder) -> dict[tuple[str, int], float]:
    """What TensorBoard would read, as scalars."""
    import tensorflow as tf

    found = {}
    for file in folder.iterdir():
        for record in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                found[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    return found


def test_tensorboard_files_hold_each_member(tmp_path):
    curves.write_tensorboard(tmp_path, HISTORY)
    assert events(tmp_path / "member-1") == {(name, 0): pytest.approx(value) for name, value in HISTORY[1][0].items()}
    assert set(events(tmp_path / "member-0")) == {(name, epoch) for name in HISTORY[0][0] for epoch in (0, 1)}


@pytest.fixture
def network_shop(shop, snapshot_date):
    """A shop with one family, a network over the numbers, and one fold: building networks takes time."""
    split = read_result(shop, snapshot_date, Split)
    write_result(shop, snapshot_date, split.model_copy(update={"folds": split.folds[:1]}))
    return shop.with_changes(sweep__families=["ziln"], sweep__trials=1, training__finalists=1)


@pytest.fixture
def undisturbed(network_shop, snapshot_date):
    """The network that `train` fits, fitted without it."""
    split = read_result(network_shop, snapshot_date, Split)
    users = read_labelled(network_shop, split, split.final).users
    return build_model(network_shop, "ziln", {}, network_shop.training.seed, 28).fit(users)


KILLED = """
import time
from datetime import date
from models.networks.checkpoints import Checkpoint
from pipelines.train import step as train
from pipelines.settings import load_settings
save, calls = Checkpoint.save, 0
def stopping(self, *arguments):
    global calls
    save(self, *arguments)
    calls += self.folder is not None
    if calls == {epochs}:
        print("stopped", flush=True)
        time.sleep(600)
Checkpoint.save = stopping
train.train(load_settings(), date.fromisoformat("{day}"))
"""


def train_and_kill(settings, snapshot_date, epochs, config):
    """Run `train` in a process of its own and kill it (SIGKILL) when so many epochs are done."""
    config.write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED.format(epochs=epochs, day=snapshot_date)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PURSE_CONFIG": str(config)},
    )
    with process:
        assert process.stdout.readline() == "stopped\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def test_a_killed_fit_resumes_to_the_same_weights_and_leaves_its_curves(
    network_shop, undisturbed, snapshot_date, tmp_path, monkeypatch
):
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    epochs = len(undisturbed.history[0]) + 1  # killed in the first epoch of the second member
    train_and_kill(network_shop, snapshot_date, epochs, tmp_path / "purse.yaml")
    folder = fit.checkpoints(network_shop, "2020-03-29-00000001")
    assert sorted(path.name for path in (folder / "ziln").iterdir()) == ["member-0", "member-1"]
    checked = []
    check = training._check
    monkeypatch.setattr(training, "_check", lambda *given: (checked.append(given), check(*given))[1])

    result = train.train(network_shop, snapshot_date)
    found = logged_model.load_model(network_shop, result.model).members[0].model
    assert len(checked) == sum(map(len, undisturbed.history)) - epochs
    for one, other in zip(found.weights, undisturbed.weights, strict=True):
        for here, there in zip(one, other, strict=True):
            np.testing.assert_array_equal(here, there)
    assert not folder.exists()
    check_run(network_shop, result, found.history)


def check_run(settings, result, history):
    """The nested run of the network holds all epochs, those from before the kill too, and is not made twice."""
    client = connect(settings)
    curves.log_curves(settings, result.training_id, "ziln", {}, history)
    (run,) = find_runs(client, settings, "network", result.training_id)
    assert (run.info.status, run.data.tags["mlflow.parentRunId"]) == ("FINISHED", result.run_id)
    assert run.data.params["units"] == "64"
    for name in curves.CURVES:
        points = client.get_metric_history(run.info.run_id, f"curve_{name}")
        assert [point.step for point in points] == list(range(1, 1 + max(map(len, history))))
        assert points[0].value == pytest.approx(np.mean([member[0][name] for member in history]))
    kept = client.list_artifacts(run.info.run_id, "tensorboard")
    assert [Path(file.path).name for file in kept] == ["member-0", "member-1"]
    assert "system/cpu_utilization_percentage" in client.get_run(result.run_id).data.metrics
