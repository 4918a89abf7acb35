"""Give tasks that `purse down` or a power cut interrupts their tries back: the stop is not their fault."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from pipelines.errors import PurseError
from pipelines.settings import Settings
from stack import airflow_api

ACTIVE = ("running", "queued", "restarting")
log = logging.getLogger(__name__)

Task = dict[str, Any]


@contextmanager
def tasks(settings: Settings, *, alive: bool) -> Iterator[None]:
    """Clear the tasks that are active now after the block, which stops the scheduler; `up` then starts them again.

    Args:
        settings: address and login of Airflow.
        alive: whether scheduler and API server run; otherwise nothing is cleared.

    Without an answer of Airflow the tasks stay as they are: the next scheduler resets them, and they lose a try.
    """
    active = _ask(_active, settings) if alive else None
    yield
    if active:
        _ask(lambda client: _clear(client, active), settings)


def give_back(settings: Settings) -> None:
    """Clear the tasks that a scheduler left active when it died with its workers; call it before the next start."""
    if active := _ask(_active, settings):
        _ask(lambda client: _clear(client, active), settings)


def _ask(request: Callable[[httpx.Client], Any], settings: Settings) -> Any:  # noqa: ANN401  # what Airflow answers
    try:
        with airflow_api.connect(settings) as client:
            return request(client)
    except (PurseError, httpx.HTTPError) as error:
        log.warning("Running tasks lose a try, because Airflow does not answer: %s", error)
        return None


@airflow_api.while_busy
def _active(client: httpx.Client) -> list[Task]:
    path = "/dags/~/dagRuns/~/taskInstances"
    answer = client.get(path, params={"state": ACTIVE, "limit": 100})
    answer.raise_for_status()
    return list(answer.json()["task_instances"])


def _clear(client: httpx.Client, active: list[Task]) -> None:
    for task in active:
        _clear_one(client, task)


@airflow_api.while_busy
def _clear_one(client: httpx.Client, task: Task) -> None:
    """Clear one task; a running one is first set to failed, since nobody would end it after the scheduler."""
    run, index = f"/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}", task["map_index"]
    address = f"{run}/taskInstances/{task['task_id']}" + (f"/{index}" if index >= 0 else "")
    found = client.get(address)
    found.raise_for_status()
    if found.json()["state"] == "success":
        return
    if found.json()["state"] in ("running", "restarting"):
        client.patch(address, json={"new_state": "failed"}).raise_for_status()
    body = {
        "dry_run": False,
        "only_failed": False,
        "dag_run_id": task["dag_run_id"],
        "task_ids": [[task["task_id"], index] if index >= 0 else task["task_id"]],
    }
    client.post(f"/dags/{task['dag_id']}/clearTaskInstances", json=body).raise_for_status()
