"""Attacks on MLflow's port: without its login nothing, and with it no file outside its folders."""

import stat
from collections.abc import Iterator

import httpx
import pytest

from pipelines.errors import PurseError
from pipelines.settings import Settings, load_settings
from pipelines.tracking.experiments import experiment_id
from pipelines.tracking.login import login_file, mlflow_login
from pipelines.tracking.runs import connect
from stack import airflow_home, mlflow_home, processes, services
from tests.serving.servers import free_port, wait_until

API = "/api/2.0/mlflow"
REQUESTS = {
    "search experiments": ("GET", f"{API}/experiments/search?max_results=5", None),
    "create a run": ("POST", f"{API}/runs/create", {"experiment_id": "0"}),
    "register a model": ("POST", f"{API}/registered-models/create", {"name": "purchasing-power"}),
    "add a version": ("POST", f"{API}/model-versions/create", {"name": "purchasing-power", "source": "models:/m-1"}),
    "move the alias": ("POST", f"{API}/registered-models/alias", {"name": "m", "alias": "champion", "version": "1"}),
    "upload an artifact": ("POST", "/ajax-api/2.0/mlflow/upload-artifact?run_uuid=1&path=x.py", {}),
    "replace an artifact": ("PUT", "/api/2.0/mlflow-artifacts/artifacts/1/model.pkl", {}),
    "read an artifact": ("GET", "/get-artifact?path=model.pkl&run_uuid=1", None),
    "read a version's artifact": ("GET", "/model-versions/get-artifact?path=x&name=m&version=1", None),
    "graphql": ("POST", "/graphql", {"query": "{ test { output } }"}),
    "list users": ("GET", f"{API}/users/list", None),
    "create a user": ("POST", f"{API}/users/create", {"username": "me", "password": "password1234"}),
    "the page": ("GET", "/", None),
    "sign up": ("GET", "/signup", None),
    "traces": ("POST", "/v1/traces", {}),
    "jobs": ("POST", "/ajax-api/3.0/jobs/", {}),
    "the assistant": ("POST", "/ajax-api/3.0/mlflow/assistant/message", {"message": "hello"}),
    "the gateway": ("POST", "/gateway/mlflow/v1/chat/completions", {}),
}


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
    login = mlflow_login(mlflow_home_settings)
    with httpx.Client(base_url=mlflow_home_settings.tracking_uri, auth=login, trust_env=False, timeout=30) as client:
        yield client


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS.values(), ids=REQUESTS)
def test_without_a_login_nothing_is_answered(stranger, method, path, body):
    assert stranger.request(method, path, json=body).status_code in (401, 403, 404)
    wrong = stranger.request(method, path, json=body, auth=("admin", "password1234"))
    assert wrong.status_code in (401, 403, 404)


def test_steps_log_in_by_the_owner_only_file(mlflow_home_settings):
    client = connect(mlflow_home_settings)
    assert client.get_experiment(experiment_id(client, mlflow_home_settings)).name == "purse"
    assert stat.S_IMODE(login_file(mlflow_home_settings).stat().st_mode) == 0o600


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
def test_another_name_or_site_is_refused(colleague, headers):
    answer = colleague.post(f"{API}/experiments/create", json={"name": "from outside"}, headers=headers)
    assert answer.status_code == 403


def located(colleague, place) -> str:
    """Id of a run whose artifacts lie at a place."""
    made = colleague.post(f"{API}/experiments/create", json={"name": str(place), "artifact_location": str(place)})
    assert made.is_success, made.text
    run = colleague.post(f"{API}/runs/create", json={"experiment_id": made.json()["experiment_id"]})
    return run.json()["run"]["info"]["run_id"]


def test_no_file_is_written_outside_the_servers_folders(colleague, mlflow_home_settings, tmp_path):
    for folder in (tmp_path / "dags", mlflow_home_settings.home_path / "secrets", mlflow_home_settings.home_path):
        run = located(colleague, folder)
        path = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path=evil.py"
        answer = colleague.post(path, content=b"raise SystemExit", headers={"Content-Type": "text/x-python"})
        assert answer.is_error
        assert not list(folder.rglob("evil.py"))


def test_no_secret_is_read_through_an_experiment(colleague, mlflow_home_settings):
    run = located(colleague, f"file://{mlflow_home_settings.home_path}/secrets/.")
    for name in ("airflow_login.json", "registry_key", "jwt_secret"):
        answer = colleague.get(f"/get-artifact?run_uuid={run}&path={name}")
        assert answer.is_error


def test_a_foreign_artifact_location_is_not_followed(colleague, mlflow_home_settings, tmp_path):
    located(colleague, tmp_path / "elsewhere")
    moved = mlflow_home_settings.with_changes(mlflow__experiment=str(tmp_path / "elsewhere"))
    with pytest.raises(PurseError, match=r"expected them at .*mlartifacts"):
        connect(moved)
