"""# Watch for drift.

This DAG runs after every scoring. It compares the newest day, the features and the scores with the champion's
training. Once the horizon of earlier scores is over, it also compares actual spend with the predictions. It writes the
table `monitoring` in the lake, an MLflow run and a page with plots (*Data Docs* on *monitor*). A rerun of a date
replaces them. If newer scores arrived during the run, *newer* finds them and *run_again* starts another run.

**Retraining.** If a check is violated on `monitor.days` of the last `monitor.of_days` days, the DAG starts
`retrain_daily` and passes it the reason. The same cause (a column, or a feature in all its windows) starts no other
retraining within `monitor.pause_days` days, nor while it lasts, unless its value doubles; another cause does.
What moves as days pass (tenure, history length, the shop's own discounts) is compared by its missing share only.

**It does not** change scores, models or thresholds. A violated check does not make a task red. Open the page and find
out whether the shop changed (prices, assortment, a campaign) or the data broke (an empty column, missing events).
Correct broken data at the source: a retraining would only learn it.

**When it is red** scores and champion are unchanged.
- *monitor*: the date has no features (run `score_daily` for it), or MLflow is unreachable (start it with `make up`).
  Then clear the task. `reference_lost`, `nothing_measured`: the message says what is missing, with the command.
- *retrain*: `retrain_daily` could not be started. Clear the task, or trigger `retrain_daily` by hand.
"""

from datetime import timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import chain, dag, task

from dags.assets import PREDICTIONS, newest_snapshot_date
from dags.steps import OF_EVENTS, REQUESTED, SNAPSHOT_DATE, purse, run_again, task_defaults


@task.short_circuit
def is_alarmed(*, alarm: bool) -> bool:
    """Start the retraining only if `monitor` asks for one."""
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
    start = purse("snapshot-date", "--for", "monitoring")(snapshot_date=REQUESTED, at_least=OF_EVENTS)
    day = start["snapshot_date"]
    checked = purse("monitor")(snapshot_date=day)
    retrain = TriggerDagRunOperator(
        task_id="retrain",
        trigger_dag_id="retrain_daily",
        trigger_run_id=f"drift__{day}",
        conf={"snapshot_date": day, "reason": checked["reason"]},
        skip_when_already_exists=True,  # a rerun of the same date starts no second retraining
    )
    chain(is_alarmed(alarm=checked["alarm"]), retrain)
    newer = purse("snapshot-date", "--for", "monitoring", task_id="newer")(unless=start["inputs"])
    chain(checked, newer, run_again("monitor_daily"))


monitor_daily()
