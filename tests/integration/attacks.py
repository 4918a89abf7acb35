"""Attacks on a running stack: `PURSE_HOME=... python -m tests.integration.attacks` tries all of them on a demo.

Each function tries one kind of attack and raises AssertionError if it succeeds. Most kinds are tried in depth, on
servers of their own, in tests/security.
"""

import contextlib
import json
import os
import re
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import httpx

from pipelines import private
from pipelines.errors import PurseError
from pipelines.lake import tables
from pipelines.settings import Settings, load_settings
from pipelines.tracking.champion import champion_version
from pipelines.tracking.logged_model import load_version
from pipelines.tracking.login import mlflow_login
from pipelines.tracking.runs import connect
from stack import airflow_api, services

Attack: TypeAlias = Callable[[Settings], None]
PLACES_OF_IDS = ("lake", "exports", "data_docs", "serving", "spill", "cache")
"""Folders of a home that may hold ids of users."""


def mlflow_without_a_login(settings: Settings) -> None:
    """Read and change MLflow without its password."""
    url = services.status(settings)["mlflow_url"]
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        for method, path in (
            ("GET", "/api/2.0/mlflow/experiments/search?max_results=5"),
            ("POST", "/api/2.0/mlflow/runs/create"),
            ("POST", "/ajax-api/2.0/mlflow/upload-artifact?run_uuid=1&path=evil.py"),
            ("POST", "/api/2.0/mlflow/registered-models/alias"),
            ("GET", "/"),
        ):
            answer = client.request(method, path, json={} if method == "POST" else None)
            assert answer.status_code == 401, (path, answer.status_code)


def a_model_of_a_stranger(settings: Settings) -> None:
    """Register a model whose loader module runs code, as somebody with MLflow's login, and make it champion."""
    server, name = on_server(settings), settings.mlflow.model_name
    client, before = connect(server), champion_version(server)
    with tempfile.TemporaryDirectory() as folder:
        trace, model = Path(folder) / "ran", Path(folder) / "model"
        (model / "code").mkdir(parents=True)
        (model / "code" / "evil.py").write_text(f"import pathlib; pathlib.Path({str(trace)!r}).touch()\n")
        (model / "MLmodel").write_text("flavors: {python_function: {loader_module: evil, code: code}}\nmodel_id: x\n")
        logged = client.create_logged_model(client.get_experiment_by_name(settings.mlflow.experiment).experiment_id)
        client.log_model_artifacts(logged.model_id, str(model))
        client.finalize_logged_model(logged.model_id, "READY")
        version = str(client.create_model_version(name, logged.model_uri, model_id=logged.model_id).version)
        client.set_registered_model_alias(name, "champion", version)
        try:
            load_version(server, version)
        except PurseError as error:
            assert "not_registered_here" in str(error)  # noqa: PT017 - no test function
        else:
            raise AssertionError("the model was loaded")
        finally:
            client.set_registered_model_alias(name, "champion", before)
            client.delete_model_version(name, version)
        assert not trace.exists()


def a_file_into_the_dags(settings: Settings) -> None:
    """Let MLflow write a file where Airflow would run it."""
    status = services.status(settings)
    login = mlflow_login(settings)
    with tempfile.TemporaryDirectory() as dags, httpx.Client(base_url=status["mlflow_url"], trust_env=False) as client:
        client.auth, client.timeout = login, httpx.Timeout(30)
        made = client.post(
            "/api/2.0/mlflow/experiments/create", json={"name": f"attack {time.time()}", "artifact_location": dags}
        ).json()
        run = client.post("/api/2.0/mlflow/runs/create", json=made).json()["run"]["info"]["run_id"]
        client.post(f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path=evil.py", content=b"raise SystemExit")
        client.post("/api/2.0/mlflow/experiments/delete", json=made)
        assert not list(Path(dags).iterdir())


def an_address_in_a_tag(settings: Settings) -> None:
    """Let the page of the model card show Airflow's password."""
    server, name = on_server(settings), settings.mlflow.model_name
    client, version, tag = connect(server), champion_version(server), "purse.model_card"
    client.set_model_version_tag(name, version, tag, f"file://{settings.home_path}/secrets/airflow_login.json")
    try:
        page = httpx.get(f"{services.status(settings)['serving_url']}/card", trust_env=False, timeout=30)
        password = next(iter(json.loads((settings.home_path / "secrets/airflow_login.json").read_text()).values()))
        assert password not in page.text
    finally:
        client.delete_model_version_tag(name, version, tag)


def files_of_the_home(settings: Settings) -> None:
    """Read the home as another user of the machine."""
    assert list(private.open_files(settings.home_path)) == []
    assert services.status(settings)["warnings"] == []


def ids_of_users(settings: Settings) -> None:
    """Find ids of users in MLflow's artifacts and database, in results, XComs and logs."""
    rows = tables.read(tables.connect(), settings, "predictions").limit(200).user_id.to_pyarrow().to_pylist()
    # short ids occur by chance, and digits within numbers
    ids = [rb"(?<![\w.])" + re.escape(user.encode()) + rb"(?![\w.])" for user in sorted(set(rows)) if len(user) >= 7]
    for path in private_files(settings.home_path):
        content = path.read_bytes()
        assert not [user for user in ids if re.search(user, content)], path


def private_files(home: Path) -> Iterator[Path]:
    """Files of a home where no id of a user belongs."""
    for path in sorted(home.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.relative_to(home).parts[0] not in PLACES_OF_IDS:
            yield path


def data_docs_without_a_login_or_with_scripts(settings: Settings) -> None:
    """Read Data Docs without Airflow's login; let them run a script."""
    url = services.status(settings)["airflow_url"]
    bare = httpx.get(f"{url}/data-docs/index.html", trust_env=False, timeout=30)
    assert bare.status_code == 401
    with airflow_api.connect(settings) as client:
        page = client.get(f"{url}/data-docs/index.html")
    policy = page.headers["content-security-policy"]
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"


def a_reverse_proxy(settings: Settings) -> None:
    """Come without a key through a proxy on this machine, or under another name."""
    url = f"{services.status(settings)['serving_url']}/v1/users/1/score"
    for headers in ({"X-Forwarded-For": "8.8.8.8"}, {"Forwarded": "for=8.8.8.8"}, {"Via": "1.1 proxy"}):
        assert httpx.get(url, headers=headers, trust_env=False).status_code == 401
    assert httpx.get(url, headers={"Host": "evil.example"}, trust_env=False).status_code in (401, 403)
    assert httpx.get(url, headers={"Authorization": "Bearer purse_1_2"}, trust_env=False).status_code == 401


def odd_rows(settings: Settings) -> None:
    """Send times that no calendar holds, and another order under a known id."""
    url, day = services.status(settings)["serving_url"], tables.days(settings, "predictions", "snapshot_date")[-1]
    line = {"order_id": f"attack {time.time()}", "product_id": "1", "line": 1, "user_id": "attacker"}
    line |= {"ordered_at": f"{day}T00:00:00", "quantity": 1, "unit_price": 9.0, "amount": 9.0}
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        for moment in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"):
            answer = client.post("/v1/orders", json={"order_lines": [line | {"ordered_at": moment}]})
            assert answer.status_code == 422
        assert client.post("/v1/orders", json={"order_lines": [line]}).status_code == 202
        changed = client.post("/v1/orders", json={"order_lines": [line | {"amount": 9_000.0}]})
        assert changed.status_code == 409


def half_open_connections(settings: Settings) -> None:
    """Keep hundreds of connections open that never send a request."""
    port = settings.serving.port
    with contextlib.ExitStack() as opened:
        for _ in range(500):
            with contextlib.suppress(OSError):
                opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5)).send(b"GET / HT")
        url = f"{services.status(settings)['serving_url']}/healthz"
        assert httpx.get(url, trust_env=False, timeout=20).status_code == 200


ATTACKS: tuple[Attack, ...] = (
    mlflow_without_a_login,
    a_model_of_a_stranger,
    a_file_into_the_dags,
    an_address_in_a_tag,
    files_of_the_home,
    ids_of_users,
    data_docs_without_a_login_or_with_scripts,
    a_reverse_proxy,
    odd_rows,
    half_open_connections,
)


def on_server(settings: Settings) -> Settings:
    """Settings of a program that uses the stack's MLflow server."""
    return settings.with_changes(mlflow__tracking_uri=services.status(settings)["mlflow_url"])


def main() -> None:
    """Try every attack on the running stack of the settings; exit with 1 if one succeeds."""
    os.umask(private.UMASK)  # as every command does: what an attack leaves in the home is the home's
    settings, failed = load_settings(), 0
    for attack in ATTACKS:
        try:
            attack(settings)
            sys.stdout.write(f"held     {attack.__name__}\n")
        except AssertionError as error:
            failed += 1
            sys.stdout.write(f"SUCCEEDS {attack.__name__}: {error}\n")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
