"""Which service of docker-compose.yml holds which secret, volume and network, and what none of them may do."""

import importlib.util
import re
import shutil
import subprocess

import pytest
import yaml

from pipelines.settings import REPOSITORY, load_settings

DATABASE, TASKS, QUEUE, STEPS = "AIRFLOW_DB_PASSWORD", "JWT_SECRET", "REDIS_PASSWORD", "MLFLOW_PASSWORD"
SECRETS = {
    "postgres": {"POSTGRES_PASSWORD", DATABASE, "MLFLOW_DB_PASSWORD"},
    "redis": {QUEUE},
    "mlflow": {"MLFLOW_DB_PASSWORD", "MLFLOW_SESSION_KEY", STEPS, "MLFLOW_READER_PASSWORD"},
    "airflow-init": {DATABASE},
    "api-server": {DATABASE, TASKS, "API_SECRET_KEY", "FERNET_KEY"},
    "scheduler": {DATABASE, TASKS, QUEUE, STEPS},
    "dag-processor": {DATABASE},
    "triggerer": {DATABASE},
    "worker": {QUEUE, STEPS},
    "purse-api": {"MLFLOW_READER_PASSWORD"},
}
STEP_VOLUMES = {
    "purse:/var/lib/purse",
    "data_docs:/var/lib/purse/data_docs",
    "serving:/var/lib/purse/serving",
    "logs:/opt/airflow/logs",
}
VOLUMES = {
    "postgres": {
        "postgres:/var/lib/postgresql/data",
        "./conf/compose/databases.sql:/docker-entrypoint-initdb.d/databases.sql:ro",
    },
    "redis": set(),
    "mlflow": {"mlflow:/var/lib/mlflow"},
    "airflow-init": set(),
    "api-server": {
        "login:/opt/airflow/login",
        "logs:/opt/airflow/logs:ro",
        "data_docs:/var/lib/purse/data_docs:ro",
    },
    "scheduler": STEP_VOLUMES,
    "dag-processor": set(),
    "triggerer": {"logs:/opt/airflow/logs"},
    "worker": STEP_VOLUMES,
    "purse-api": {"purse:/var/lib/purse:ro", "serving:/var/lib/purse/serving"},
}
NETWORKS = {
    "postgres": {"airflow-database", "mlflow-database"},
    "redis": {"queue"},
    "mlflow": {"mlflow-database", "services"},
    "airflow-init": {"airflow-database"},
    "api-server": {"airflow-database", "services"},
    "scheduler": {"airflow-database", "services", "queue"},
    "dag-processor": {"airflow-database"},
    "triggerer": {"airflow-database"},
    "worker": {"services", "queue"},
    "purse-api": {"services"},
}
USERS = dict.fromkeys(SECRETS, "50000:50000") | {"mlflow": "50001:50001", "postgres": "postgres", "redis": "redis"}


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())


def test_a_service_holds_only_its_secrets(compose):
    held = {
        name: set(re.findall(r"\$\{([A-Z_]+):\?", yaml.safe_dump(service)))
        for name, service in compose["services"].items()
    }
    assert held == SECRETS


def test_a_service_mounts_only_its_volumes(compose):
    assert {name: set(service.get("volumes", [])) for name, service in compose["services"].items()} == VOLUMES
    named = {volume.split(":")[0] for volumes in VOLUMES.values() for volume in volumes} - {"."}
    assert set(compose["volumes"]) == {name for name in named if not name.startswith(".")}


def test_a_service_reaches_only_its_networks(compose):
    assert {name: set(service["networks"]) for name, service in compose["services"].items()} == NETWORKS
    inner = {name for name, network in compose["networks"].items() if (network or {}).get("internal")}
    assert inner == {"airflow-database", "mlflow-database", "queue"}


def test_no_service_has_rights_of_root(compose):
    for name, service in compose["services"].items():
        assert service["user"] == USERS[name], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True, name
        assert not {"cap_add", "privileged", "pid", "network_mode", "devices", "group_add"} & set(service), name


def test_no_service_mounts_the_code_or_the_engine(compose):
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            assert "docker.sock" not in volume
            assert not volume.split(":")[1].startswith("/opt/purse")


def test_code_and_dags_belong_to_root():
    lines = (REPOSITORY / "Dockerfile").read_text().splitlines()
    copied = [line for line in lines if line.startswith("COPY")]
    assert copied
    assert not any("--chown" in line for line in copied)
    assert "chmod --recursive go-w /opt/purse" in "\n".join(lines)
    assert lines.index("USER purse") > lines.index(copied[-1])


def test_the_tools_that_build_the_image_are_pinned_by_hash():
    text = (REPOSITORY / "Dockerfile").read_text()
    assert "pip install --no-cache-dir --require-hashes --requirement uv.txt" in text
    assert re.search(
        r"^uv==[\d.]+ \\\n +--hash=sha256:", (REPOSITORY / "conf/compose/uv.txt").read_text(), re.MULTILINE
    )
    assert not re.search(r"pip install(?!.*(--require-hashes|--no-deps))", text.replace("\\\n", ""))


def test_each_role_opens_only_its_databases():
    text = (REPOSITORY / "conf" / "compose" / "databases.sql").read_text()
    assert "REVOKE ALL ON DATABASE airflow, mlflow, mlflow_logins, postgres, template1 FROM PUBLIC" in text
    assert "SUPERUSER" not in text.upper()


@pytest.fixture(scope="module")
def server():
    spec = importlib.util.spec_from_file_location("mlflow_server", REPOSITORY / "conf" / "compose" / "mlflow_server.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_mlflow_has_an_administrator_and_a_reader_whose_passwords_can_change(server, tmp_path):
    database = f"sqlite:///{tmp_path / 'logins.db'}"
    server.prepare_logins(database, {"purse": "first-password-1", "purse-api": "reader-password-1"})
    server.prepare_logins(database, {"purse": "second-password-2", "purse-api": "reader-password-1"})
    logins = server.Logins()
    logins.init_db(database)
    assert {user.username: user.is_admin for user in logins.list_users()} == {"purse": True, "purse-api": False}
    assert logins.authenticate_user("purse", "second-password-2")
    assert not logins.authenticate_user("purse", "first-password-1")


def test_the_experiment_and_the_model_belong_to_nobody_before_a_client_comes(server, empty_mlflow, tmp_path):
    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    names = load_settings().mlflow
    for _ in range(2):
        server.prepare_store(f"sqlite:///{tmp_path / 'mlflow.db'}", names)
    runs = server.Runs(f"sqlite:///{tmp_path / 'mlflow.db'}", "mlflow-artifacts:/")
    assert runs.get_experiment_by_name(names.experiment).artifact_location.startswith("mlflow-artifacts:/")


@pytest.fixture
def checkout(tmp_path):
    """A copy of the files that scripts/pin_images.sh changes, and a `docker` that gives digests from a text."""
    for name in ("Dockerfile", "docker-compose.yml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    (tmp_path / "scripts").mkdir()
    shutil.copy(REPOSITORY / "scripts" / "pin_images.sh", tmp_path / "scripts")

    def run(digest):
        tool = tmp_path / "bin" / "docker"
        tool.parent.mkdir(exist_ok=True)
        tool.write_text(f"#!/bin/sh\necho '{digest}'\n")
        tool.chmod(0o755)
        command = [tmp_path / "scripts" / "pin_images.sh"]
        return subprocess.run(
            command, env={"PATH": f"{tool.parent}:/usr/bin:/bin"}, capture_output=True, text=True, check=False
        )

    return tmp_path, run


def test_images_are_pinned_by_the_digest_of_their_registry(checkout):
    folder, run = checkout
    for digit in "a", "b":
        digest = f"sha256:{digit * 64}"
        assert run(digest).returncode == 0
        services = yaml.safe_load((folder / "docker-compose.yml").read_text())["services"]
        assert services["postgres"]["image"] == f"postgres:17@{digest}"
        assert services["redis"]["image"] == f"redis:8@{digest}"
        assert f"ARG PYTHON_IMAGE=python:3.12-slim@{digest}\n" in (folder / "Dockerfile").read_text()
    assert "NOT pinned" not in (folder / "docker-compose.yml").read_text()


def test_without_a_digest_nothing_is_pinned(checkout):
    folder, run = checkout
    assert run("Error: no such image").returncode == 1
    assert (folder / "docker-compose.yml").read_text() == (REPOSITORY / "docker-compose.yml").read_text()
