import socket
import subprocess
import sys

import pytest

from pipelines import sweep
from pipelines.errors import PurseError
from pipelines.settings import REPOSITORY
from pipelines.tracking.runs import connect, find_runs, log_data, resumed_run, run_url

TRAINING = "2020-03-29-00000001"


def status(shop):
    client = connect(shop)
    return [run.info.status for run in find_runs(client, shop, "retraining", TRAINING)]


def test_a_retraining_has_one_run_that_every_step_resumes(shop):
    with resumed_run(shop, TRAINING) as first:
        assert status(shop) == ["RUNNING"]
    assert status(shop) == ["FINISHED"]
    with resumed_run(shop, TRAINING) as second:
        assert status(shop) == ["RUNNING"]
    assert (first, status(shop)) == (second, ["FINISHED"])


def test_a_step_that_raises_leaves_the_run_failed(shop):
    with pytest.raises(ZeroDivisionError), resumed_run(shop, TRAINING):
        1 / 0  # noqa: B018
    assert status(shop) == ["FAILED"]


def test_the_same_version_of_a_table_is_one_data_set(shop):
    with resumed_run(shop, TRAINING) as run_id:
        for version in (3, 3, 4):
            log_data(connect(shop), shop, run_id, "training_sets", version, "training")
    inputs = connect(shop).get_run(run_id).inputs.dataset_inputs
    assert sorted(each.dataset.digest for each in inputs) == ["version-3", "version-4"]


def test_a_server_that_is_down_is_named(shop, snapshot_date):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(PurseError, match=rf"MLflow at {address} does not answer .*purse up"):
        sweep.plan(shop.with_changes(mlflow__tracking_uri=address), snapshot_date)


def test_a_database_has_no_page_to_open(shop):
    assert run_url(shop, "abc") is None


def test_two_processes_may_be_the_first(tmp_path):
    code = "from pipelines.tracking import runs; from pipelines.settings import load_settings; import sys; "
    code += "sys.stdout.write(runs.retraining_run(load_settings(), 'one'))"
    command, environment = [sys.executable, "-c", code], {"PURSE_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    processes = [
        subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    ids = {process.communicate()[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert len(ids) == 1
