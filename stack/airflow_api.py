"""Client of Airflow's REST API: trigger a DAG, follow its run, read results and logs."""

import logging
import time
from collections.abc import Generator
from typing import Any

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from pipelines.errors import PurseError
from pipelines.links import airflow_address
from pipelines.listener import require_own_listener
from pipelines.settings import Settings
from stack import airflow_home

FINISHED = ("success", "failed")
LOG_TAIL_LINES = 25

logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every request, and runs are polled twice a second


class Login(httpx.Auth):
    """Login of a client: a token for a few minutes, and a new one when Airflow no longer accepts it."""

    def __init__(self, settings: Settings) -> None:
        """Log in.

        Raises:
            PurseError: see `connect`.
        """
        self._settings = settings
        self._token = _new_token(settings)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the token; after a 401 send a new one."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        answer = yield request
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._token = _new_token(self._settings)
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request


def connect(settings: Settings) -> httpx.Client:
    """Return a client of /api/v2 that is logged in as admin.

    Raises:
        PurseError: Airflow does not answer or rejects the login, or another user's program listens on its port.
    """
    url = airflow_address(settings)
    return httpx.Client(base_url=f"{url}/api/v2", auth=Login(settings), trust_env=False, timeout=30)


def _new_token(settings: Settings) -> str:
    url = airflow_address(settings)
    user, password = airflow_home.login(settings)
    require_own_listener(settings.services.host, settings.services.airflow_port, "services.airflow_port")
    try:
        # The request stays on this machine: a proxy from the environment must not see the login.
        answer = httpx.post(
            f"{url}/auth/token/cli", json={"username": user, "password": password}, trust_env=False, timeout=30
        )
    except httpx.TransportError as error:
        raise PurseError(f"Airflow does not answer at {url} ({error}). Start it with 'purse up'.") from error
    if answer.status_code != httpx.codes.CREATED:
        raise PurseError(
            f"Airflow at {url} rejects the login in {airflow_home.login_file(settings)}: it belongs to another "
            "home. Stop that Airflow, or choose another port with PURSE_SERVICES__AIRFLOW_PORT=NUMBER."
        )
    return str(answer.json()["access_token"])


while_busy = retry(
    retry=retry_if_exception_type((httpx.TransportError, httpx.HTTPStatusError)),
    stop=stop_after_attempt(4),
    wait=wait_exponential(multiplier=0.5),
    reraise=True,
)
"""Repeats a call that may be made twice, while the server's database is locked by another writer (its answer: 500)."""


@while_busy
def get(client: httpx.Client, path: str, **parameters: str | int | bool) -> dict[str, Any]:
    """Send a GET and return its JSON; retry while the server's database is busy."""
    answer = client.get(path, params=parameters)
    answer.raise_for_status()
    return dict(answer.json())


@while_busy
def unpause(client: httpx.Client, dag_id: str) -> None:
    """Let a DAG's runs start; retry while the server's database is busy."""
    client.patch(f"/dags/{dag_id}", json={"is_paused": False}).raise_for_status()


def ensure_pool(settings: Settings, name: str, slots: int) -> None:
    """Create a pool if it does not exist; an existing pool keeps its size."""
    with connect(settings) as client:
        if client.get(f"/pools/{name}").status_code == httpx.codes.NOT_FOUND:
            body = {"name": name, "slots": slots, "description": "Training on a GPU"}
            client.post("/pools", json=body).raise_for_status()


def wait_for_dag(client: httpx.Client, dag_id: str, seconds: float = 90) -> None:
    """Wait until Airflow has read a DAG's file, then unpause the DAG.

    Raises:
        PurseError: the import of the file failed, or the DAG did not appear in time.
    """
    until = time.monotonic() + seconds
    while client.get(f"/dags/{dag_id}").status_code == httpx.codes.NOT_FOUND:
        for problem in get(client, "/importErrors")["import_errors"]:
            if problem["filename"].endswith(f"{dag_id}.py"):
                raise PurseError(
                    f"Airflow can't import {problem['filename']}:\n{problem['stack_trace']}\n"
                    "Correct the file and run the command again."
                )
        if time.monotonic() > until:
            raise PurseError(
                f"Airflow shows no DAG '{dag_id}' after {seconds:.0f} seconds. Read 'purse logs dag-processor'."
            )
        time.sleep(0.5)
    unpause(client, dag_id)


def trigger(client: httpx.Client, dag_id: str, **parameters: str) -> str:
    """Trigger a DAG and return the run's id.

    Raises:
        PurseError: Airflow rejects the parameters.
    """
    answer = client.post(f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": parameters})
    if answer.is_client_error:
        raise PurseError(
            f"Airflow refuses to start '{dag_id}' with {parameters}: {answer.text[:500]}. "
            "Correct what the answer names, or read 'purse logs api-server'."
        )
    answer.raise_for_status()
    return str(answer.json()["dag_run_id"])


def run_state(client: httpx.Client, dag_id: str, run_id: str) -> str:
    """State of a run: queued, running, success or failed."""
    return str(get(client, f"/dags/{dag_id}/dagRuns/{run_id}")["state"])


def newest_runs(client: httpx.Client, dag_id: str = "~", limit: int = 5) -> list[dict[str, Any]]:
    """Newest runs of one DAG (default: all), newest first: dag_id, run_id, state, start_date, end_date."""
    runs = get(client, f"/dags/{dag_id}/dagRuns", order_by="-run_after", limit=limit)["dag_runs"]
    keys = {
        "dag_id": "dag_id",
        "run_id": "dag_run_id",
        "state": "state",
        "start_date": "start_date",
        "end_date": "end_date",
    }
    return [{name: run[key] for name, key in keys.items()} for run in runs]


def causes(client: httpx.Client, dag_id: str, run_id: str) -> set[str]:
    """Ids of the runs whose asset events started this run."""
    events = get(client, f"/dags/{dag_id}/dagRuns/{run_id}/upstreamAssetEvents")["asset_events"]
    return {event["source_run_id"] for event in events}


def task_instances(client: httpx.Client, dag_id: str, run_id: str) -> list[dict[str, Any]]:
    """Task instances of a run (one per mapped task), by start; those not started come last."""
    instances = get(client, f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=100)["task_instances"]
    return sorted(instances, key=lambda task: (task["start_date"] is None, task["start_date"] or "", task["task_id"]))


def result(client: httpx.Client, task: dict[str, Any]) -> dict[str, Any]:
    """JSON object that a step returned; empty if the task returned none."""
    answer = client.get(f"{_address(task)}/xcomEntries/return_value", params={"map_index": task["map_index"]})
    if answer.status_code == httpx.codes.NOT_FOUND:
        return {}
    answer.raise_for_status()
    value = answer.json()["value"]
    return value if isinstance(value, dict) else {}


def log_tail(client: httpx.Client, task: dict[str, Any]) -> str:
    """Last log lines of a task's last attempt."""
    path = f"{_address(task)}/logs/{max(task['try_number'], 1)}"
    content = get(client, path, map_index=task["map_index"], full_content=True)["content"]
    lines = [line if isinstance(line, str) else line["event"] for line in content]
    return "\n".join("\n".join(lines).splitlines()[-LOG_TAIL_LINES:])


def _address(task: dict[str, Any]) -> str:
    return f"/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}"
