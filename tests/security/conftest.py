"""Homes and servers that the attacks are tried on."""

import json
from collections.abc import Iterator

import httpx
import pytest

from pipelines.settings import Settings, load_settings
from pipelines.tracking.login import login_file
from stack import airflow_home, mlflow_home, processes, services
from tests.serving.servers import free_port, wait_until


@pytest.fixture(scope="module")
def mlflow_home_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A home with MLflow's server of the embedded stack running; it uses the server as steps do."""
    port = free_port()
    settings = load_settings().with_changes(home=str(tmp_path_factory.mktemp("home")), services__mlflow_port=port)
    airflow_home.prepare(settings)
    mlflow_home.prepare(settings)
    (server,) = (service for service in services._services(settings) if service.name == "mlflow")
    environment = airflow_home.environment(settings) | mlflow_home.environment(settings)
    processes.start(settings.home_path, "mlflow", server.command, environment)
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"), "MLflow answers", seconds=120)
        yield settings.with_changes(mlflow__tracking_uri=f"http://127.0.0.1:{port}")
    finally:
        processes.stop(settings.home_path, ["mlflow"])


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def stranger(mlflow_home_settings: Settings) -> Iterator[httpx.Client]:
    """Client of MLflow's server without a login."""
    with httpx.Client(base_url=mlflow_home_settings.tracking_uri, trust_env=False) as client:
        yield client


@pytest.fixture
def colleague(mlflow_home_settings: Settings) -> Iterator[httpx.Client]:
    """Client of MLflow's server with its login."""
    login = next(iter(json.loads(login_file(mlflow_home_settings).read_text()).items()))
    with httpx.Client(base_url=mlflow_home_settings.tracking_uri, auth=login, trust_env=False, timeout=30) as client:
        yield client
