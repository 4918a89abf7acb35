"""A real Airflow in a temporary folder: its settings must stand before anything imports airflow."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.models.dagrun import DagRun

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = tempfile.TemporaryDirectory(prefix="purse-airflow-")
os.environ.update(
    AIRFLOW_HOME=FOLDER.name,
    AIRFLOW__CORE__DAGS_FOLDER=str(REPOSITORY / "dags"),
    AIRFLOW__CORE__PLUGINS_FOLDER=str(REPOSITORY / "dags" / "plugins"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{FOLDER.name}/airflow.db",
)


@pytest.fixture(scope="session")
def parse() -> "Callable[..., DagBag]":
    """The DAGs as Airflow reads them with some variables in force: `parse(PURSE_AIRFLOW__QUEUE="cpu")`."""

    def read(**variables: str) -> "DagBag":
        from airflow.dag_processing.dagbag import DagBag

        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            return DagBag()

    return read


@pytest.fixture(scope="session")
def bag(parse: "Callable[..., DagBag]") -> "DagBag":
    return parse()


@pytest.fixture(scope="session")
def airflow_database() -> None:
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)


@pytest.fixture
def run(airflow_database: None, parse: "Callable[..., DagBag]", tmp_path: Path) -> "Iterator[Callable[..., DagRun]]":  # noqa: ARG001
    """Run one DAG to its end, each task once, in a home of its own: `run("ingest_daily", run_conf={...})`."""

    def test(dag_id: str, **arguments: Any) -> "DagRun":
        return parse(PURSE_AIRFLOW__RETRIES="0").dags[dag_id].test(**arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PURSE_HOME", str(tmp_path))
        yield test


@pytest.fixture(scope="session")
def states() -> "Callable[[DagRun], dict[str, str]]":
    """The end state of each task of a run, of a mapped task one for each copy: `sweep[0]`."""

    def read(done: "DagRun") -> dict[str, str]:
        instances = done.get_task_instances()
        return {ti.task_id + (f"[{ti.map_index}]" if ti.map_index >= 0 else ""): str(ti.state) for ti in instances}

    return read
