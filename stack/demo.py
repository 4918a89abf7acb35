"""The demo: real shoppers from files to scores through Airflow, with progress by step and tables at the end."""

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
from pipelines.results.data import Validated
from pipelines.results.decision import Decided, Evaluated
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
    """Ingest the whole source, retrain and score through the running Airflow; show progress and the outcome.

    Works again in a home that has data: days are loaded again, finished trials are kept, scores replaced.

    Raises:
        PurseError: the services don't run, or a task failed, with the end of its log.
    """
    with airflow_api.connect(settings) as client:
        for dag_id in DAGS:
            airflow_api.wait_for_dag(client, dag_id)
        ingestion = airflow_api.trigger(client, "ingest_daily", **_whole_source(settings))
        tasks = follow(client, "ingest_daily", ingestion)
        retraining = airflow_api.trigger(client, "retrain_daily")
        tasks += follow(client, "retrain_daily", retraining)
        scoring = _scoring_run(client, retraining if _is_announced(tasks) else ingestion)
        tasks += follow(client, "score_daily", scoring)
        results = {task["task_id"]: airflow_api.result(client, task) for task in tasks if task["map_index"] == -1}
        seconds = [airflow_api.result(client, task).get("seconds", {}) for task in tasks]
    outcome = demo_report.Outcome(
        Validated.model_validate(results["validate"]),
        Trained.model_validate(results["train"]),
        Evaluated.model_validate(results["evaluate"]),
        Decided.model_validate(results["promote"]),
        Scored.model_validate(results["score"]),
    )
    examples = _examples(settings, outcome.scored.snapshot_date)
    answer = Console(highlight=False)
    demo_report.show(settings, outcome, examples, answer)
    answer.print("\n" + demo_report.time_line(demo_report.spans(tasks, seconds)), soft_wrap=True)
    _open(links.dashboard_url(settings))


def follow(client: httpx.Client, dag_id: str, run_id: str) -> list[Task]:
    """Wait for a run to end, with a line for each task that ends and what is at work meanwhile.

    Returns:
        Its task instances.

    Raises:
        PurseError: the run failed; with the task, the end of its log and what to do.
    """
    console.print(f"[bold]{dag_id}[/]")
    told: set[tuple[Any, ...]] = set()
    with console.status(dag_id) as line:
        while True:
            state = airflow_api.run_state(client, dag_id, run_id)
            tasks = airflow_api.task_instances(client, dag_id, run_id)
            for task in tasks:
                _tell(task, told)
            at_work = [_name(task) for task in tasks if task["state"] == "running"]
            idle = "waiting for an earlier run to end" if state == "queued" else "waiting for the next step to start"
            line.update(f"{dag_id}: {', '.join(at_work) or idle}")
            if state in airflow_api.FINISHED:
                break
            time.sleep(POLL_SECONDS)
    failed = [task for task in tasks if task["state"] == "failed"]
    if state == "failed":
        raise _failure(client, dag_id, failed)
    return tasks


def _tell(task: Task, told: set[tuple[Any, ...]]) -> None:
    """Print a line for a task that ended or will be tried again, once."""
    event = (task["task_id"], task["map_index"], task["state"], task["try_number"])
    if event in told:
        return
    if task["state"] in ENDED:
        took = f"{task['duration']:5.1f} s" if task["duration"] is not None else "       "
        console.print(f"  {ENDED[task['state']]} {took}  {_name(task)}")
    elif task["state"] == "up_for_retry":
        console.print(f"  [yellow]↻[/] {_name(task)} failed; Airflow tries it again soon")
    else:
        return
    told.add(event)


def _failure(client: httpx.Client, dag_id: str, failed: list[Task]) -> PurseError:
    if not failed:
        return PurseError(f"The run of {dag_id} failed without a failed task: see it in the Airflow UI.")
    tail = airflow_api.log_tail(client, failed[0])
    return PurseError(
        f"{dag_id}.{_name(failed[0])} failed. The end of its log:\n\n{tail}\n\n"
        "Mend what the log names and run 'make demo' again, or clear the task in the Airflow UI: a rerun "
        "continues and never duplicates. The champion and earlier scores are as they were."
    )


def _whole_source(settings: Settings) -> dict[str, str]:
    """The parameters of an ingestion of everything: from the lake's first day, where there is one."""
    days = tables.days(settings, "staging/order_lines")
    return {"from_date": days[0].isoformat()} if days else {}


def _is_announced(tasks: list[Task]) -> bool:
    return any(task["task_id"] == "announce_champion" and task["state"] == "success" for task in tasks)


def _scoring_run(client: httpx.Client, cause: str) -> str:
    """The run of score_daily that the run `cause` started through an asset; started by hand when there is none."""
    until = time.monotonic() + ASSET_RUN_SECONDS
    with console.status("Waiting for score_daily to start"):
        while time.monotonic() < until:
            for run in airflow_api.newest_runs(client, "score_daily"):
                if cause in airflow_api.causes(client, "score_daily", run["run_id"]):
                    return str(run["run_id"])
            time.sleep(POLL_SECONDS)
    return airflow_api.trigger(client, "score_daily")


def _examples(settings: Settings, snapshot_date: date) -> list[demo_report.Row]:
    """Five users from the top of the scores to the bottom, with every tier that there is."""
    table = tables.read(tables.connect(), settings, "predictions")
    scores = table.filter(table.snapshot_date == snapshot_date).to_pandas()
    ordered = scores.sort_values(["score", "user_id"], ascending=[False, True])
    chosen = []
    for tier, place in ((HIGH, 0.0), (HIGH, 0.5), (MID, 0.5), (LOW, 0.5), (LOW, 1.0)):
        of_tier = ordered[ordered["tier"] == tier]
        if len(of_tier):
            chosen.append(of_tier.iloc[round(place * (len(of_tier) - 1))].to_dict())
    return chosen


def _open(url: str) -> None:
    """Show a page in the browser, where a person has a screen to see it on."""
    if console.is_terminal and (sys.platform == "darwin" or {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ)):
        webbrowser.open(url)


def _name(task: Task) -> str:
    return str(task["task_id"]) + (f" {task['map_index'] + 1}" if task["map_index"] >= 0 else "")
