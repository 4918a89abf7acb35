"""# Watch for drift.

Runs after every scoring: compares the newest day, the features and the scores with the champion's training, and, once
the horizon of earlier scores is over, what users spent with what was promised. Writes the table `monitoring` in the
lake, an MLflow run and a page with pictures (*Data Docs* on *monitor*). A rerun of a date replaces them.

**What it starts.** A check that is violated on `monitor.days` of the last `monitor.of_days` days starts
`retrain_daily`, whose run carries the reason; not again within `monitor.pause_days` days.

**It does not** change a score, a model or a limit, and a violated check is not a red task: open the page and see
whether the shop changed (prices, assortment, a campaign) or the data broke (an empty column, missing events).
Broken data is mended at the source: a retraining would only learn it.

**When it is red** scores and champion are not touched.
- *monitor*: the date has no features (run `score_daily` for it), or MLflow is unreachable (`make up`); clear it.
- *retrain*: `retrain_daily` could not be started. Clear it, or trigger `retrain_daily` by hand.
"""

from datetime import timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import chain, dag, task

from dags.assets import PREDICTIONS, newest_snapshot_date
from dags.steps import SNAPSHOT_DATE, purse, task_defaults


@task.short_circuit
def is_alarmed(*, alarm: bool) -> bool:
    """Go on to the retraining only if one is wanted."""
    return alarm


@dag(
    schedule=PREDICTIONS,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=3),
    default_args=task_defaults(),
    doc_md=__doc__,
    tags=["purse", "monitoring"],
    params={"snapshot_date": SNAPSHOT_DATE},
    user_defined_macros={"newest_snapshot_date": newest_snapshot_date},
)
def monitor_daily() -> None:
    """Wire the steps."""
    wanted = "{{ params.snapshot_date or newest_snapshot_date(triggering_asset_events) }}"
    day = purse("snapshot-date", "--for", "scoring")(snapshot_date=wanted)["snapshot_date"]
    watched = purse("monitor")(snapshot_date=day)
    retrain = TriggerDagRunOperator(
        task_id="retrain",
        trigger_dag_id="retrain_daily",
        trigger_run_id=f"drift__{day}",
        conf={"snapshot_date": day, "reason": watched["reason"]},
        skip_when_already_exists=True,  # a rerun of the same date starts nothing twice
    )
    chain(is_alarmed(alarm=watched["alarm"]), retrain)


monitor_daily()
