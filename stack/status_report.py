"""Table of `purse status`: what runs, where it is and where its login lies."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from pipelines import links
from pipelines.settings import Settings
from pipelines.tracking.experiments import runs_page


def show(settings: Settings, state: Mapping[str, Any], console: Console) -> None:
    """Print the screens with their logins, the newest DAG runs, the logs and warnings; see `services.status`."""
    console.print(screens(settings, state))
    if state["runs"]:
        console.print(newest_runs(state["runs"]))
    stopped = [name for name, pid in state["services"].items() if pid is None]
    if stopped:
        console.print(f"Not running: {', '.join(stopped)}. Start with 'purse up'.", soft_wrap=True)
    console.print(f"Logs: {state['logs']}", soft_wrap=True)
    if state["champion"]:
        console.print(f"Champion: {state['champion']}", soft_wrap=True)
    for warning in state["warnings"]:
        console.print(f"Warning: {warning}", soft_wrap=True)


def screens(settings: Settings, state: Mapping[str, Any]) -> Table:
    """Tabulate the screens: whether the service runs, its address, and the file with the login."""
    pids = state["services"]
    table = Table("screen", "runs", *(Column(name, overflow="fold") for name in ("address", "login")))
    airflow, mlflow = (f'{{"user": "password"}} in {state[name]}' for name in ("login_file", "mlflow_login_file"))
    table.add_row("Dashboard", _yes(pids["serving"]), links.dashboard_url(settings), "none")
    table.add_row("Airflow", _yes(pids["api-server"]), links.airflow_url(settings), airflow)
    own = "mlflow" in pids
    table.add_row(
        "MLflow", _yes(pids["mlflow"]) if own else "elsewhere", runs_page(settings), mlflow if own else "its own"
    )
    table.add_row("API", _yes(pids["serving"]), f"{links.dashboard_url(settings)}/docs", "none on this machine")
    return table


def newest_runs(runs: list[dict[str, Any]]) -> Table:
    """Tabulate the newest runs of the DAGs."""
    table = Table("newest runs", "state", "started", "ended")
    for run in runs:
        started, ended = ((run[name] or "")[:16].replace("T", " ") for name in ("start_date", "end_date"))
        table.add_row(run["dag_id"], run["state"], started, ended)
    return table


def _yes(pid: int | None) -> str:
    return "no" if pid is None else "yes"
