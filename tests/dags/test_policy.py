"""What every DAG of Purse has; a new DAG file fails here until it is listed."""

import ast
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

DAGS = {
    "ingest_daily": {"purse", "data"},
    "retrain_daily": {"purse", "models"},
    "score_daily": {"purse", "scores"},
    "monitor_daily": {"purse", "monitoring"},
    "doctor_daily": {"purse", "monitoring"},
}
HELPERS = {"__init__", "assets", "days", "retries", "steps", "waiting"}
FOLDER = Path(__file__).resolve().parents[2] / "dags"
MAY_IMPORT = {"airflow.sdk", "airflow.providers.standard", "dags", "datetime", "pipelines.settings", "typing"}


def test_every_dag_file_is_listed_here() -> None:
    assert {file.stem for file in FOLDER.glob("*.py")} == DAGS.keys() | HELPERS


@pytest.fixture(params=DAGS)
def dag(request: pytest.FixtureRequest, bag: Any) -> Any:
    return bag.dags[request.param]


def test_a_dag_says_whose_it_is_and_what_to_do_when_it_is_red(dag: Any) -> None:
    assert dag.owner == "purse"
    assert dag.tags == DAGS[dag.dag_id]
    assert dag.doc_md.startswith("# ")
    for part in ("**It does not**", "**When it is red**"):
        assert part in dag.doc_md


def test_a_dag_runs_once_at_a_time_and_not_for_ever(dag: Any) -> None:
    assert dag.max_active_runs == 1
    assert dag.catchup is False
    assert timedelta(0) < dag.dagrun_timeout < timedelta(days=1)


def test_every_task_is_tried_again_and_ends(dag: Any) -> None:
    for task in dag.tasks:
        assert task.retries == (9 if task.retry_policy else 2), task.task_id
        assert task.retry_exponential_backoff, task.task_id
        assert task.execution_timeout < dag.dagrun_timeout, task.task_id
        assert task.on_failure_callback, task.task_id


def test_only_the_training_of_networks_waits_for_the_gpu(dag: Any) -> None:
    assert {task.task_id for task in dag.tasks if task.pool == "gpu"} == (
        {"sweep_networks", "train"} if dag.dag_id == "retrain_daily" else set()
    )


@pytest.mark.parametrize("name", DAGS)
def test_a_dag_file_only_wires(name: str) -> None:
    source = (FOLDER / f"{name}.py").read_text()
    assert len(source.splitlines()) < 100
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imported = [node.module or ""]
        else:
            continue
        for module in imported:
            assert any(module == allowed or module.startswith(f"{allowed}.") for allowed in MAY_IMPORT), module
