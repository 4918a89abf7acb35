"""# Train a challenger and promote it if it is better.

This DAG builds features and labels at several past dates, tries every model family within the sweep's budget, refits
and blends the best, measures challenger and champion on the newest window with known spend, and promotes the
challenger only if it is measurably better. Scoring then starts automatically.

It runs on schedule, in the source's `timezone`, and when `monitor_daily` detects drift, which *reason* then names. It
waits up to two hours for running ingests, then says so and goes on.

**It does not** promote a model because it is new. While no model is champion, the best baseline is fitted too, and
becomes champion under its name if the model is refused; *promote* says why. If the champion stays, *announce_champion*
is skipped. If data, code, settings and champion are as at the last decision, *split* says so and the rest is skipped.

**Compare** the trials in MLflow (*Open in MLflow* on *train*). The registered version shows the decision's numbers.

**When it is red** the champion stays active.
- *snapshot_date*: the lake is empty or older than `ingest.max_staleness_days`. Run `ingest_daily`.
- *sweep*, *sweep_networks*, *train*: clear the task. Finished trials are kept; only the missing ones run.
- *evaluate*, *register*, *promote*: usually MLflow is unreachable. Start it (`make up`) and clear the task.

**When the champion can't be compared** (files missing or corrupt, a package or feature removed, another horizon) it
stays. *promote* then ends with `champion_unusable`, the reason and the command that approves the replacement. Run that
command and trigger `score_daily`. An approval in the form of `promotion.approval` counts as well;
`promotion.replace_unusable` needs none. The challenger must always be significantly better than the best baseline.
"""

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param, chain, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.assets import CHAMPION
from dags.days import at_shop_time
from dags.steps import SNAPSHOT_DATE, purse, task_defaults
from dags.waiting import wait_for_ingest
from pipelines.settings import load_settings

SETTINGS = load_settings()
ABOUT_REASON = "Reason for this retraining; `monitor_daily` names the drift. It has no effect on the run."
REASON = Param(None, type=["null", "string"], title="Reason", description=ABOUT_REASON)


def ask_approval() -> ApprovalOperator:
    """Ask a person to approve before the champion may change; without an answer the champion stays."""
    return ApprovalOperator(
        task_id="approve",
        subject="May this challenger become the champion if it is measurably better?",
        body="Measures on the test window: {{ ti.xcom_pull('evaluate')['measures'] }}\n\n"
        "{% set reason = ti.xcom_pull('evaluate').get('champion_unusable') %}{% if reason %}"
        "**The champion cannot be compared: {{ reason }}.** If you approve, the challenger replaces it, provided that "
        "it is significantly better than the best baseline.\n\n{% endif %}"
        "[Open in MLflow]({{ ti.xcom_pull('evaluate')['run_url'] }})",
        defaults=ApprovalOperator.REJECT,
        response_timeout=timedelta(hours=12),
    )


@task(outlets=[CHAMPION])
def announce_champion(promotion: dict[str, Any], snapshot_date: str) -> None:
    """Start the DAGs that wait for a new champion; skip the task if the champion stays."""
    if not promotion["promoted"]:
        raise AirflowSkipException(f"No new champion: {promotion['description']}")
    get_current_context()["outlet_events"][CHAMPION].extra = {"snapshot_date": snapshot_date}


@dag(
    schedule=at_shop_time(SETTINGS.airflow.retrain_schedule),
    catchup=False,  # no start date: the first run waits for its scheduled time
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=20),  # leaves time to approve, and ends before the next run
    default_args=task_defaults(),
    doc_md=__doc__,
    tags=["purse", "models"],
    params={"snapshot_date": SNAPSHOT_DATE, "reason": REASON},
)
def retrain_daily() -> None:
    """Wire the steps."""
    day = purse("snapshot-date")(snapshot_date="{{ params.snapshot_date or '' }}")["snapshot_date"]
    wait_for_ingest() >> day.operator
    features = purse("build-features", "--for", "training")(snapshot_date=day)
    split = purse("split", "--unless-decided")(snapshot_date=day)
    workers = purse("sweep", "--plan-only", task_id="plan_sweep", result_key="workers")(snapshot_date=day)
    tabular = purse("sweep", "--tabular").partial(snapshot_date=day).expand(worker=workers)
    on_gpu = {"pool": "gpu", "queue": SETTINGS.airflow.gpu_queue}
    # networks get the first free slot: tabular workers share their trials, but a late network would find time used up
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
