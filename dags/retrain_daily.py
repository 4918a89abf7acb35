"""# Train a challenger and promote it if it is better.

Builds features and labels at several past dates, tries every family of models within the sweep's budget, refits
and blends the best, measures challenger and champion on the same newest window whose truth is known, and
promotes the challenger only when it is measurably better. Scoring then starts by itself.

It runs by the clock, and when `monitor_daily` sees drift: then the run's *reason* says which.

**It does not** promote because a model is new: keeping the champion is a success, and *announce_champion* is
then skipped. It does not read orders on or after the snapshot date.

**Compare** the trials in MLflow (*Open in MLflow* on *train* or *evaluate*); the decision with its numbers is on the
version of the registered model.

**When it is red** the champion stays in force.
- *snapshot_date*: the lake is empty or older than `ingest.max_staleness_days`. Run `ingest_daily`.
- *sweep*, *sweep_networks*, *train*: clear the task; finished trials are kept and only the missing ones run.
- *evaluate*, *register*, *promote*: usually MLflow is unreachable. Start it (`make up`) and clear the task.

**When the champion can't be compared** (files missing or corrupt, a package or a feature gone, another horizon) it
stays: the outcome of *promote* is `champion_unusable`, with the reason and the command that approves its replacement.
Run that command and trigger `score_daily`. The form of `promotion.approval` counts as approval, and with
`promotion.replace_unusable` nobody is asked. The challenger must be surely better than the best baseline in any case.
"""

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param, chain, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.assets import CHAMPION
from dags.steps import SNAPSHOT_DATE, purse, task_defaults
from pipelines.settings import load_settings

SETTINGS = load_settings()
REASON = Param(
    None,
    type=["null", "string"],
    title="Reason",
    description="Why this retraining is wanted; `monitor_daily` says which drift it saw. It changes nothing.",
)


def ask_approval() -> ApprovalOperator:
    """A person approves before the champion may change; no answer is a no, and the champion stays."""
    return ApprovalOperator(
        task_id="approve",
        subject="May this challenger become the champion, if it is measurably better?",
        body="Measures on the test window: {{ ti.xcom_pull('evaluate')['measures'] }}\n\n"
        "{% set reason = ti.xcom_pull('evaluate').get('champion_unusable') %}{% if reason %}"
        "**The champion cannot be compared: {{ reason }}.** Approve to replace it, provided that the challenger is "
        "surely better than the best baseline.\n\n{% endif %}"
        "[Open in MLflow]({{ ti.xcom_pull('evaluate')['run_url'] }})",
        defaults=ApprovalOperator.REJECT,
        response_timeout=timedelta(hours=12),
    )


@task(outlets=[CHAMPION])
def announce_champion(promotion: dict[str, Any], snapshot_date: str) -> None:
    """Tell the DAGs that wait for a new champion; skipped when there is none."""
    if not promotion["promoted"]:
        raise AirflowSkipException(f"The champion stays: {promotion['description']}")
    get_current_context()["outlet_events"][CHAMPION].extra = {"snapshot_date": snapshot_date}


@dag(
    schedule=SETTINGS.airflow.retrain_schedule,
    catchup=False,  # without a start date, so that the first run waits for its hour
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=20),  # leaves a person the time to approve, and ends before the next run
    default_args=task_defaults(),
    doc_md=__doc__,
    tags=["purse", "models"],
    params={"snapshot_date": SNAPSHOT_DATE, "reason": REASON},
)
def retrain_daily() -> None:
    """Wire the steps."""
    day = purse("snapshot-date")(snapshot_date="{{ params.snapshot_date or '' }}")["snapshot_date"]
    features = purse("build-features", "--for", "training")(snapshot_date=day)
    split = purse("split")(snapshot_date=day)
    workers = purse("sweep", "--plan-only", task_id="plan_sweep", result_key="workers")(snapshot_date=day)
    tabular = purse("sweep", "--tabular").partial(snapshot_date=day).expand(worker=workers)
    on_gpu = {"pool": "gpu", "queue": SETTINGS.airflow.gpu_queue}
    # first in line for a free slot: the tabular workers share their trials, a late network would find the time spent
    networks = purse("sweep", "--networks", task_id="sweep_networks", priority_weight=10, **on_gpu)(
        snapshot_date=day, worker="networks"
    )
    train = purse("train", **on_gpu)(snapshot_date=day)  # a finalist may be a network
    evaluate, register = (purse(verb)(snapshot_date=day) for verb in ("evaluate", "register"))
    approval = [ask_approval()] if SETTINGS.promotion.approval else []
    promotion = purse("promote", *(["--replace-unusable"] if approval else []))(snapshot_date=day)
    chain(features, split, workers, [tabular, networks], train, evaluate, register, *approval, promotion)
    announce_champion(promotion, day)


retrain_daily()
