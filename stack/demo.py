"""Demo: take real shoppers from files to scores through Airflow; show progress by step and tables at the end."""

import os
import sys
import time
import webbrowser
from datetime import date
from typing import Any

import httpx
from rich.console import Console

from models.predictions import HIGH, LOW, MID
from pipelines import links
from pipelines.errors import PurseError
from pipelines.lake import tables
from pipelines.lake.rows import snapshot_rows
from pipelines.results.data import Validated
from pipelines.results.decision import Decided, Evaluated
from pipelines.results.result import read_result
from pipelines.results.scoring import Scored
from pipelines.results.training import Trained
from pipelines.settings import Settings
from stack import airflow_api, demo_report

DAGS = ("ingest_daily", "retrain_daily", "score_daily")
POLL_SECONDS = 0.5
ASSET_RUN_SECONDS = 30
ENDED = {"success": "[green]✓[/]", "skipped": "[yellow]-[/]", "failed": "[red]✗[/]", "upstream_failed": "[red]✗[/]"}
console = Console(stderr=True, highlight=False)

Task = dict[str, Any]


def run(settings: Settings) -> None:
    """Ingest the whole source, retrain and score through the running Airflow; show progress and results.

    The demo can be repeated in a home with data: days are loaded again, finished trials are reused, scores replaced.

    Raises:
        PurseError: the services don't run, or a task failed; the message has the end of its log.
    """
    with airflow_api.connect(settings) as client:
        for dag_id in DAGS:
            airflow_api.wait_for_dag(client, dag_id)
        ingestion = airflow_api.trigger(client, "ingest_daily", **_whole_source(settings))
        tasks = follow(client, "ingest_daily", ingestion)
        retraining = airflow_api.trigger(client, "retrain_daily")
        trained = follow(client, "retrain_daily", retraining)
        training_date = _snapshot_date(client, trained)
        tasks += trained
        causes = (("announce_champion", retraining), ("announce_orders", ingestion))
        scoring = _scoring_run(client, [run_id for announced, run_id in causes if _has_succeeded(tasks, announced)])
        tasks += follow(client, "score_daily", scoring)
        results = {task["task_id"]: airflow_api.result(client, task) for task in tasks if task["map_index"] == -1}
        if not results["score"]:
            decided = read_result(settings, training_date, Decided)
            raise PurseError(f"Nobody is scored, because there is no champion. {decided.description}")
        seconds = [airflow_api.result(client, task).get("seconds", {}) for task in tasks]
    outcome = demo_report.Outcome(
        Validated.model_validate(results["validate"]),
        read_result(settings, training_date, Trained),
        read_result(settings, training_date, Evaluated),
        read_result(settings, training_date, Decided),
        Scored.model_validate(results["score"]),
    )
    examples = _examples(settings, outcome.scored.snapshot_date)
    output = Console(highlight=False)
    demo_report.show(settings, outcome, examples, output)
    output.print("\n" + demo_report.time_line(demo_report.spans(tasks, seconds)), soft_wrap=True)
    _open(links.dashboard_url(settings))


def follow(client: httpx.Client, dag_id: str, run_id: str) -> list[Task]:
    """Wait for a run to end; print a line per ended task and show the running tasks.

    Returns:
        Task instances of the run.

    Raises:
        PurseError: the run failed; the message names the task, the end of its log and what to do.
    """
    console.print(f"[bold]{dag_id}[/]")
    reported: set[tuple[Any, ...]] = set()
    with console.status(dag_id) as line:
        while True:
            state = airflow_api.run_state(client, dag_id, run_id)
            tasks = airflow_api.task_instances(client, dag_id, run_id)
            for task in tasks:
                _report(task, reported)
            running = [_name(task) for task in tasks if task["state"] == "running"]
            idle = "waiting for an earlier run to end" if state == "queued" else "waiting for the next step to start"
            line.update(f"{dag_id}: {', '.join(running) or idle}")
            if state in airflow_api.FINISHED:
                break
            time.sleep(POLL_SECONDS)
    failed = [task for task in tasks if task["state"] == "failed"]
    if state == "failed":
        raise _failure(client, dag_id, failed)
    return tasks


def _report(task: Task, reported: set[tuple[Any, ...]]) -> None:
    """Print a line once for a task that ended or will be retried."""
    event = (task["task_id"], task["map_index"], task["state"], task["try_number"])
    if event in reported:
        return
    if task["state"] in ENDED:
        seconds = f"{task['duration']:5.1f} s" if task["duration"] is not None else "       "
        console.print(f"  {ENDED[task['state']]} {seconds}  {_name(task)}")
    elif task["state"] == "up_for_retry":
        console.print(f"  [yellow]↻[/] {_name(task)} failed; Airflow retries it soon")
    else:
        return
    reported.add(event)


def _failure(client: httpx.Client, dag_id: str, failed: list[Task]) -> PurseError:
    if not failed:
        return PurseError(f"The run of {dag_id} failed without a failed task. Open the run in the Airflow UI.")
    tail = airflow_api.log_tail(client, failed[0])
    return PurseError(
        f"{dag_id}.{_name(failed[0])} failed. The end of its log:\n\n{tail}\n\n"
        "Remove the cause and run 'make demo' again, or clear the task in the Airflow UI: a rerun continues and "
        "never duplicates. The champion and earlier scores are unchanged."
    )


def _whole_source(settings: Settings) -> dict[str, str]:
    """Parameters that ingest the whole source: from the lake's first day if it has one."""
    days = tables.days(settings, "staging/order_lines")
    return {"from_date": days[0].isoformat()} if days else {}


def _has_succeeded(tasks: list[Task], task_id: str) -> bool:
    return any(task["task_id"] == task_id and task["state"] == "success" for task in tasks)


def _snapshot_date(client: httpx.Client, tasks: list[Task]) -> date:
    """Snapshot date of a retraining, which may have ended early because nothing has changed."""
    (task,) = (task for task in tasks if task["task_id"] == "snapshot_date")
    return date.fromisoformat(airflow_api.result(client, task)["snapshot_date"])


def _scoring_run(client: httpx.Client, causes: list[str]) -> str:
    """Find the run of score_daily that one of the runs `causes` started through an asset; trigger one if none did."""
    until = time.monotonic() + ASSET_RUN_SECONDS
    with console.status("Waiting for score_daily to start"):
        while causes and time.monotonic() < until:
            for run in airflow_api.newest_runs(client, "score_daily"):
                if causes[0] in airflow_api.causes(client, "score_daily", run["run_id"]):
                    return str(run["run_id"])
            time.sleep(POLL_SECONDS)
    return airflow_api.trigger(client, "score_daily")


def _examples(settings: Settings, snapshot_date: date) -> list[demo_report.Row]:
    """Select five users from the highest to the lowest score, with every available tier."""
    scores = snapshot_rows(tables.connect(), settings, "predictions", snapshot_date).to_pandas()
    ordered = scores.sort_values(["score", "user_id"], ascending=[False, True])
    chosen = []
    for tier, place in ((HIGH, 0.0), (HIGH, 0.5), (MID, 0.5), (LOW, 0.5), (LOW, 1.0)):
        of_tier = ordered[ordered["tier"] == tier]
        if len(of_tier):
            chosen.append(of_tier.iloc[round(place * (len(of_tier) - 1))].to_dict())
    return chosen


def _open(url: str) -> None:
    """Open a page in the browser if the machine has a display."""
    if console.is_terminal and (sys.platform == "darwin" or {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ)):
        webbrowser.open(url)


def _name(task: Task) -> str:
    return str(task["task_id"]) + (f" {task['map_index'] + 1}" if task["map_index"] >= 0 else "")
