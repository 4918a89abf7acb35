"""Pages of MLflow as its own server shows them in a browser: runs sorted by nGini, in the training view."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest

from pipelines import links
from pipelines.settings import load_settings
from pipelines.tracking.experiments import COLUMNS, VIEW_TAG, WINNER, experiment_id, monitoring_id, runs_page
from pipelines.tracking.runs import connect, resumed_run, run_url
from tests.integration.conftest import free_port

CHROMIUM = shutil.which("chromium")
TRAINING = "2020-03-29-00000001"


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """Settings of a home with a retraining of three trials, whose MLflow runs on a port of its own."""
    home, port = tmp_path_factory.mktemp("mlflow"), free_port()
    settings = load_settings().with_changes(
        home=str(home), services__mlflow_port=port, mlflow__public_url=f"http://127.0.0.1:{port}"
    )
    with resumed_run(settings, TRAINING):
        client = connect(settings)
        for family, ngini in (("middle", 0.4), ("best", 0.5), ("worst", 0.3)):
            run = client.create_run(experiment_id(client, settings), run_name=f"{family} 0")
            client.log_param(run.info.run_id, "family", family)
            client.log_metric(run.info.run_id, "validation_ngini", ngini)
            client.log_metric(run.info.run_id, "validation_bias", 0.01)
            if family == "best":
                client.set_tag(run.info.run_id, WINNER, "100% of the model")
    return settings


def test_monitoring_has_an_experiment_of_its_own(logged):
    client = connect(logged)
    own = monitoring_id(client, logged)
    assert own == monitoring_id(client, logged) != experiment_id(client, logged)
    assert client.get_experiment(own).name == f"{logged.mlflow.experiment}-monitoring"


def test_the_view_of_the_runs_is_stored_with_the_experiment(logged):
    client = connect(logged)
    experiment = client.get_experiment(experiment_id(client, logged))
    view = json.loads(experiment.tags[VIEW_TAG])
    assert view["selectedColumns"] == list(COLUMNS)
    assert len(COLUMNS) == 6
    assert runs_page(logged) == links.runs_url(logged, experiment.experiment_id)
    run = client.search_runs([experiment.experiment_id])[0].info.run_id
    assert run_url(logged, run).endswith(f"/runs/{run}?workflowType=machine_learning")


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
def test_mlflow_opens_the_training_view_with_the_best_run_first(logged):
    from playwright.sync_api import sync_playwright

    port, home = logged.services.mlflow_port, logged.home_path
    database = ("--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}", "--port", str(port), "--workers", "1")
    command = [sys.executable, "-m", "mlflow", "server", *database]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with subprocess.Popen(command, env=environment, cwd=home, start_new_session=True, **quiet) as server:
        try:
            _wait(f"http://127.0.0.1:{port}/health")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1600, "height": 900})
                page.goto(runs_page(logged))
                page.get_by_text("best 0", exact=True).first.wait_for(timeout=60_000)
                if folder := os.environ.get("MLFLOW_PICTURES"):
                    page.wait_for_timeout(3000)
                    page.screenshot(path=f"{folder}/runs.png")
                text = page.inner_text("body")
                browser.close()
        finally:
            os.killpg(server.pid, 15)
            server.wait(30)
    assert text.index("best 0") < text.index("middle 0") < text.index("worst 0")
    assert all(name in text for name in ("winner", "family", "validation_ngini", "100% of the model"))
    assert "Judges" not in text  # a page of the view for chats


def _wait(url, seconds=90):
    until = time.monotonic() + seconds
    while True:
        try:
            return urllib.request.urlopen(url, timeout=5).read()  # noqa: S310 - our own server
        except OSError:
            assert time.monotonic() < until, f"{url} does not answer"
            time.sleep(0.3)
