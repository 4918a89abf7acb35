"""Embedded stack: an MLflow server, three Airflow components and the live service on this machine's loopback.

Airflow's components are started separately instead of with `airflow standalone`: its children survive a SIGTERM,
it needs a triggerer that Purse doesn't use, and its log server listens on every interface.
Ports, host and home are settings; secrets, databases, logs and pid files are under `<home>`.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from rich.console import Console

from pipelines import private
from pipelines.errors import PurseError
from pipelines.links import airflow_address, airflow_url, mlflow_address
from pipelines.live.client import service_url
from pipelines.settings import Settings
from pipelines.tracking.champion_record import read_record
from pipelines.tracking.login import login_file
from stack import airflow_api, airflow_home, interrupted, mlflow_home, processes

START_SECONDS = 180
SCHEDULER = "scheduler"
HEARTBEATS = (SCHEDULER, "dag-processor")
NEEDED_BY_TASKS = {"mlflow", "api-server"}
console = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Service:
    """Background process, with its port and the setting of the port if it has one."""

    name: str
    command: tuple[str, ...]
    port: int | None = None
    setting: str = ""


def up(settings: Settings) -> dict[str, Any]:
    """Start the services that don't run and wait until all answer.

    If this call fails or is interrupted, it stops the services that it started.

    Returns:
        The values of `status`, and the names of the `started` services.

    Raises:
        PurseError: a port is not free, or a service ended or did not answer in time; the message ends with its log.
    """
    home = settings.home_path
    os.umask(private.UMASK)  # the command line has set it; another caller may not have
    with processes.only_one(home):
        missing = [service for service in _services(settings) if processes.running(home, service.name) is None]
        for service in missing:
            if service.port:
                processes.require_free_port(settings.services.host, service.port, service.name, service.setting)
        unclean = processes.died(home, SCHEDULER)
        try:
            if missing:
                # a task that starts before Airflow's API and MLflow answer would lose a try
                names = {service.name for service in _services(settings)}
                _start(settings, [service for service in missing if service.name != SCHEDULER])
                _wait_until_ready(settings, names & NEEDED_BY_TASKS)
                if unclean:
                    interrupted.give_back(settings)
                _start(settings, [service for service in missing if service.name == SCHEDULER])
                _wait_until_ready(settings, names - NEEDED_BY_TASKS)
                airflow_api.ensure_pool(settings, "gpu", slots=1)
        except BaseException:
            processes.stop(home, [service.name for service in missing])
            raise
    state = status(settings)
    console.print(
        f"Airflow {airflow_url(settings)} (login in {state['login_file']}), MLflow {state['mlflow_url']} (login in "
        f"{state['mlflow_login_file']}), live scores {state['serving_url']}",
        soft_wrap=True,
    )
    return {"started": [service.name for service in missing], **state}


def down(settings: Settings) -> dict[str, Any]:
    """Stop every service and its descendants; return the names of the `stopped` services, which may be none.

    The scheduler goes first: tasks that it ran are cleared, so that they keep their tries and `up` starts them again.
    """
    home, names = settings.home_path, [service.name for service in _services(settings)]
    with processes.only_one(home), console.status("Stopping the services"):
        stopped = [name for name in names if processes.running(home, name)]
        with interrupted.tasks(settings, alive={SCHEDULER, "api-server"} <= set(stopped)):
            processes.stop(home, [SCHEDULER])
        processes.stop(home, names)
    console.print(f"Stopped {', '.join(stopped)}" if stopped else "No service was running")
    return {"stopped": stopped}


def status(settings: Settings) -> dict[str, Any]:
    """Services (pid or None), addresses, places of the login and the logs, newest DAG runs, champion and warnings.

    The champion is the one that this home recorded: MLflow may be down.
    """
    home = settings.home_path
    running = {service.name: processes.running(home, service.name) for service in _services(settings)}
    return {
        "running": all(running.values()),
        "services": {name: process.pid if process else None for name, process in running.items()},
        "airflow_url": airflow_address(settings),
        "mlflow_url": mlflow_address(settings),
        "serving_url": service_url(settings),
        "login_file": str(airflow_home.login_file(settings)),
        "mlflow_login_file": str(login_file(settings)),
        "logs": str(processes.log_file(home, "api-server").parent),
        "runs": _newest_runs(settings) if running["api-server"] else [],
        "champion": _champion(settings),
        "warnings": private.warnings(settings),
    }


def logs(settings: Settings, name: str | None = None, follow: bool = False) -> None:
    """Show the end of one service's log (default: all logs); `follow` keeps showing new lines until Ctrl-C.

    Raises:
        PurseError: the service does not exist, or no service was ever started here.
    """
    names = [service.name for service in _services(settings)]
    if name is not None and name not in names:
        raise PurseError(f"There is no service '{name}': choose one of {', '.join(names)}.")
    candidates = [processes.log_file(settings.home_path, service) for service in ([name] if name else names)]
    files = [str(file) for file in candidates if file.exists()]
    if not files:
        raise PurseError(f"There is no log in {candidates[0].parent}: start the services with 'purse up' first.")
    try:
        subprocess.run(["tail", "-n", "50", *(["-F"] if follow else []), *files], check=True)  # noqa: S603, S607
    except KeyboardInterrupt:
        return


def _champion(settings: Settings) -> str | None:
    """The recorded champion in words; None before the first one, or if the record is damaged."""
    with contextlib.suppress(PurseError):
        recorded = read_record(settings)
        return recorded.in_words() if recorded else None
    return None


def _services(settings: Settings) -> list[Service]:
    home, airflow = settings.home_path, processes.executable("airflow")
    mlflow = (
        *(sys.executable, "-m", "stack.mlflow_server", "server", "--workers", "1", *mlflow_home.options(settings)),
        *("--host", settings.services.host, "--port", str(settings.services.mlflow_port)),
        *("--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}"),
        # Steps write artifacts directly to the folder: this is faster than through the server, and runs that were
        # logged without the services use the same folder.
        *("--no-serve-artifacts", "--default-artifact-root", str(home / "mlartifacts")),
    )
    tracking = [Service("mlflow", mlflow, settings.services.mlflow_port, "services.mlflow_port")]
    return [
        *([] if settings.mlflow.tracking_uri else tracking),
        Service("api-server", (airflow, "api-server"), settings.services.airflow_port, "services.airflow_port"),
        Service("dag-processor", (airflow, "dag-processor")),
        Service("serving", (sys.executable, "-m", "serving"), settings.serving.port, "serving.port"),
        Service(SCHEDULER, (airflow, "scheduler", "--skip-serve-logs")),  # the last: see `up`
    ]


def _start(settings: Settings, services: list[Service]) -> None:
    """Start the services, MLflow first: it creates its database while Airflow creates its own."""
    airflow_home.prepare(settings)
    mlflow_home.prepare(settings)
    environment = airflow_home.environment(settings)
    with console.status("Starting the services"):
        for service in services:
            if service.name != "mlflow":
                airflow_home.migrate(settings)
            own = mlflow_home.environment(settings) if service.name == "mlflow" else {}
            processes.start(settings.home_path, service.name, service.command, environment | own)


def _wait_until_ready(settings: Settings, names: Collection[str]) -> None:
    begun = time.monotonic()
    waiting = sorted(names)
    with console.status("") as line, httpx.Client(trust_env=False, timeout=5) as client:
        while waiting:
            line.update(f"Waiting for {', '.join(waiting)}")
            healthy = _healthy(settings, client)
            for name in [name for name in waiting if name in healthy]:
                waiting.remove(name)
                console.print(f"[green]✓[/] {name} answers ({time.monotonic() - begun:.0f} s)")
            _stop_if_ended(settings, waiting)
            if waiting and time.monotonic() - begun > START_SECONDS:
                raise _not_started(settings, waiting[0], f"does not answer after {START_SECONDS} seconds")
            time.sleep(0.3 if waiting else 0)


def _healthy(settings: Settings, client: httpx.Client) -> set[str]:
    """Names of the services that answer; for Airflow's background services, that sent a heartbeat since their start."""
    healthy = set()
    with contextlib.suppress(httpx.TransportError):
        if client.get(f"{mlflow_address(settings)}/health").is_success:
            healthy.add("mlflow")
    with contextlib.suppress(httpx.TransportError):
        if client.get(f"{service_url(settings)}/healthz").is_success:
            healthy.add("serving")
    with contextlib.suppress(httpx.TransportError):
        answer = client.get(f"{airflow_address(settings)}/api/v2/monitor/health")
        if answer.is_success:
            healthy.add("api-server")
            healthy |= {name for name in HEARTBEATS if _has_beaten(settings, name, answer.json())}
    return healthy


def _has_beaten(settings: Settings, name: str, health: dict[str, Any]) -> bool:
    part = name.replace("-", "_")
    beat = health.get(part, {}).get(f"latest_{part}_heartbeat")
    process = processes.running(settings.home_path, name)
    return bool(beat and process and datetime.fromisoformat(beat).timestamp() > process.create_time())


def _stop_if_ended(settings: Settings, names: list[str]) -> None:
    for name in names:
        if processes.running(settings.home_path, name) is None:
            raise _not_started(settings, name, "ended while it started")


def _not_started(settings: Settings, name: str, problem: str) -> PurseError:
    log = processes.log_file(settings.home_path, name)
    tail = processes.log_tail(settings.home_path, name)
    return PurseError(
        f"{name} {problem}. Remove the cause and run 'purse up' again. The end of its log ({log}):\n{tail}"
    )


def _newest_runs(settings: Settings) -> list[dict[str, Any]]:
    try:
        with airflow_api.connect(settings) as client:
            return airflow_api.newest_runs(client)
    except (PurseError, httpx.HTTPError):
        return []  # Airflow is starting or stopping; the list of services shows it
