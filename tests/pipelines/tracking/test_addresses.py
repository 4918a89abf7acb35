"""A home that was moved or copied works: its artifacts are found, and the original is left alone."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import mlflow
import pytest

from pipelines.errors import PurseError
from pipelines.settings import REPOSITORY
from pipelines.tracking.artifacts import read_text
from pipelines.tracking.logged_model import fetch
from pipelines.tracking.runs import connect, resumed_run, retraining_run

TRAINING = "2020-03-29-00000001"


@pytest.fixture
def run_id(shop):
    """A run with an artifact and a logged model."""
    with resumed_run(shop, TRAINING) as run_id:
        mlflow.log_text("a card", "card.md")
        model = mlflow.initialize_logged_model(name="m", source_run_id=run_id)
        file = shop.home_path / "weights"
        file.write_text("1")
        mlflow.MlflowClient().log_model_artifacts(model.model_id, str(file.parent / "results"))
        mlflow.set_tag("model", model.model_uri)
    return run_id


@pytest.mark.parametrize("go", [shutil.move, shutil.copytree], ids=["moved", "copied"])
@pytest.mark.parametrize("recorded", [True, False])
def test_artifacts_are_found_in_the_new_place(shop, run_id, tmp_path, go, recorded):
    new = tmp_path / "a new place #1" / "home"
    new.parent.mkdir()
    go(shop.home_path, new)
    if not recorded:  # a home of an older version
        (new / "place.txt").unlink()
    there = shop.with_changes(home=str(new))
    client = connect(there)
    assert read_text(there, client, run_id, "card.md") == "a card"
    assert list(fetch(there, client.get_run(run_id).data.tags["model"], tmp_path).rglob("*.json"))
    assert retraining_run(there, TRAINING) == run_id


def test_a_copy_writes_nothing_into_the_original(shop, run_id, tmp_path):
    new = tmp_path / "new"
    shutil.copytree(shop.home_path, new)
    code = (
        "import mlflow; from pipelines.settings import load_settings; from pipelines.tracking.runs import resumed_run\n"
        f"with resumed_run(load_settings(), '{TRAINING}'): mlflow.log_text('more', 'more.md')"
    )  # a process of its own: MLflow's client remembers where a run's artifacts are
    environment = {**os.environ, "PURSE_HOME": str(new)}
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, env=environment, check=True)
    assert any((new / "mlartifacts").rglob("more.md"))
    assert not any((shop.home_path / "mlartifacts").rglob("more.md"))
    assert read_text(shop, connect(shop), run_id, "card.md") == "a card"


@pytest.mark.usefixtures("run_id")
def test_an_address_elsewhere_is_not_followed(shop, tmp_path):
    """MLflow's server may have set it; only what lay in the old home moves with it."""
    with closing(sqlite3.connect(shop.home_path / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE experiments SET artifact_location = '/elsewhere/mlartifacts'")
    new = tmp_path / "new"
    shutil.move(shop.home_path, new)
    there = shop.with_changes(home=str(new))
    with pytest.raises(PurseError, match="keeps artifacts at /elsewhere/mlartifacts"):
        connect(there)
