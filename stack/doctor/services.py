"""Checks of the services: processes, ports, schedules, and the scores that the live service answers with."""

from collections.abc import Iterator
from datetime import datetime

import httpx
from croniter import croniter

from pipelines.errors import PurseError
from pipelines.lake import tables as lake
from pipelines.live.client import service_url
from pipelines.settings import Settings
from pipelines.source.definition import load_source
from stack import processes
from stack.doctor.finding import Finding

SERVICES = ("mlflow", "api-server", "scheduler", "dag-processor", "serving")


def services(settings: Settings, now: datetime) -> Iterator[Finding]:  # noqa: ARG001  # one form for all checks
    """Services that ended while others run, and ports that other programs took."""
    home = settings.home_path
    names = [name for name in SERVICES if (home / "run" / f"{name}.json").exists()]
    running = [name for name in names if processes.running(home, name)]
    for name in names if running else ():
        if name not in running:
            log = processes.log_file(home, name)
            yield Finding("services", f"{name} ended while other services run; see {log}.", "purse up")
    ports = {
        "mlflow": (settings.services.mlflow_port, "services.mlflow_port"),
        "api-server": (settings.services.airflow_port, "services.airflow_port"),
        "serving": (settings.serving.port, "serving.port"),
    }
    for name, (port, setting) in ports.items():
        if name in names and name not in running:
            try:
                processes.require_free_port(settings.services.host, port, name, setting)
            except PurseError as error:
                yield Finding("ports", str(error), f"ss -ltnp 'sport = :{port}'")


def schedules(settings: Settings, now: datetime) -> Iterator[Finding]:  # noqa: ARG001
    """Cron expressions that Airflow cannot read, and a time zone that does not exist."""
    load_source(settings)  # raises if its time zone does not exist; a check that fails is a finding
    for name in ("ingest_schedule", "retrain_schedule", "doctor_schedule"):
        expression = getattr(settings.airflow, name)
        if not croniter.is_valid(expression):
            problem = f"The setting airflow.{name} is '{expression}', which is no cron expression such as '0 2 * * *'."
            yield Finding("schedules", problem, f"export PURSE_AIRFLOW__{name.upper()}='0 2 * * *'")


def live_store(settings: Settings, now: datetime) -> Iterator[Finding]:  # noqa: ARG001
    """A live service that answers with older scores than the lake has, or cannot answer."""
    if settings.serving.url is None and processes.running(settings.home_path, "serving") is None:
        return  # another home's service may listen on the port
    try:
        answer = httpx.get(f"{service_url(settings)}/readyz", trust_env=False, timeout=5)
        state = answer.json()
    except (httpx.TransportError, ValueError):
        return  # no service runs here; the check of processes reports one that ended
    if state.get("problem"):
        yield Finding("live service", f"The live service reports: {state['problem']}", "purse logs serving")
    scored = lake.days(settings, "predictions", "snapshot_date")
    if scored and state.get("snapshot_date") != scored[-1].isoformat():
        yield Finding(
            "live service",
            f"The live service answers with the scores of {state.get('snapshot_date')}, and the lake has those of "
            f"{scored[-1]}.",
            "purse deploy",
        )
