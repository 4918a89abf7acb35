"""docker-compose.yml as a file: there is no Docker engine where the tests run. See also tests/security."""

import re
import subprocess

import pytest
import yaml

from pipelines import links
from pipelines.settings import REPOSITORY, load_settings

SECRET = re.compile(r"password|secret|fernet|conn|backend|store_uri|logins_uri|broker|auth$", re.IGNORECASE)


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]


def test_the_services_of_a_deployment_are_there(services):
    expected = {"postgres", "mlflow", "airflow-init", "api-server", "scheduler", "dag-processor", "triggerer"}
    assert expected | {"redis", "worker", "purse-api"} == set(services)
    assert {name for name in services if "profiles" in services[name]} == {"redis", "worker"}


def test_every_published_port_is_on_loopback(services):
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert sorted(ports) == ["127.0.0.1:5000:5000", "127.0.0.1:8000:8000", "127.0.0.1:8080:8080"]


def test_every_secret_comes_from_outside(services):
    """A value that may hold a secret is a required variable, or holds none (a port, a path, a Redis without login)."""
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if SECRET.search(name) and not name.endswith("_FILE"):
                assert re.search(r"\$\{[A-Z_]+:\?", value), name


def test_the_env_script_gives_every_required_variable():
    required = set(re.findall(r"\$\{([A-Z_]+):\?", (REPOSITORY / "docker-compose.yml").read_text()))
    printed = subprocess.run([REPOSITORY / "scripts" / "compose-env.sh"], capture_output=True, text=True, check=True)
    given = dict(line.split("=", 1) for line in printed.stdout.splitlines())
    assert set(given) == required
    assert len(set(given.values())) == len(given)


def test_everything_that_stays_up_says_whether_it_is_healthy(services):
    assert all("healthcheck" in services[name] for name in services if name != "airflow-init")


def test_the_pages_of_the_service_lead_where_a_browser_gets(services, monkeypatch):
    for name, value in services["purse-api"]["environment"].items():
        if name.startswith("PURSE_"):
            monkeypatch.setenv(name, value)
    settings = load_settings()
    assert links.dashboard_url(settings) == "http://localhost:8000"
    assert links.mlflow_url(settings) == "http://localhost:5000"
    assert links.frame_ancestors(settings) == (
        "http://127.0.0.1:8080",
        "http://localhost:8080",
        "http://airflow.localhost:8080",
    )


def test_what_a_service_waits_for_exists(services):
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        for condition in service.get("depends_on", {}).values():
            assert condition["condition"] in {"service_healthy", "service_completed_successfully"}


def test_the_mounted_files_exist(services):
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (REPOSITORY / source).is_file()
