"""# Score every user.

This DAG runs after new orders were validated or a new champion was promoted. It computes the features of every user as
of the snapshot date. It writes the champion's predictions to the lake table `predictions` and to
`exports/scores_<date>.csv`. A rerun of a date replaces its scores. Then the live service tests the champion's newest
scores on its canary and serves them.

**Date.** The run scores the day after the lake's last complete day; a manual run can name another date in the form. If
newer orders or a new champion arrived during the run, *newer* finds them and *run_again* starts another run.

**It does not** train or choose a model. Without a champion, the run is skipped with a message that says why the last
challenger was refused; the first `retrain_daily` that promotes a champion, or a baseline in its place, starts this DAG
again.

**When it is red** the last scores stay active.
- *snapshot_date*: the lake is empty or older than `ingest.max_staleness_days`. Run `ingest_daily`.
- *snapshot_date*, *score*: the champion is gone (`version_deleted`, `model_deleted`, `files_lost`,
  `not_registered_here`): the message names the command that leads out; `purse champion` lists the other versions.
- *deploy*: the live service rejected the new release with a reason and keeps serving the previous one, or it crashed:
  see `purse logs serving`. To repeat this task by hand, run `purse deploy`. A skipped task means that no service runs.
- *score*: the expected total is far from the last scores (`scoring.max_total_change`); the message has both totals.
  Look for wrong dates or amounts in the newest orders. If the change is right, trigger this DAG with *Confirm the
  change*.
- *build_features*, *score*: *Data Docs* on the task shows the failed expectations. If a new champion is the cause, run
  `purse rollback` to restore the previous one, then clear *score*.
"""

from datetime import timedelta

from airflow.sdk import Param, chain, dag

from dags.assets import CHAMPION, ORDER_LINES, PREDICTIONS, newest_snapshot_date
from dags.steps import OF_EVENTS, REQUESTED, SNAPSHOT_DATE, purse, run_again, task_defaults

CONFIRM = Param(
    False,  # noqa: FBT003  # Airflow takes the default by position
    type="boolean",
    title="Confirm the change",
    description="Write scores even if their expected total is far from the last scores, see scoring.max_total_change.",
)
CONFIRMED = "{{ params.confirm or '' }}"


@dag(
    schedule=ORDER_LINES | CHAMPION,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=3),
    default_args=task_defaults(),
    doc_md=__doc__,
    tags=["purse", "scores"],
    params={"snapshot_date": SNAPSHOT_DATE, "confirm": CONFIRM},
    user_defined_macros={"newest_snapshot_date": newest_snapshot_date},
)
def score_daily() -> None:
    """Wire the steps."""
    start = purse("snapshot-date", "--for", "scoring")(snapshot_date=REQUESTED, at_least=OF_EVENTS)
    day = start["snapshot_date"]
    features = purse("build-features", "--for", "scoring")(snapshot_date=day)
    score, deploy = purse("score", outlets=[PREDICTIONS])(snapshot_date=day, confirm=CONFIRMED), purse("deploy")()
    newer = purse("snapshot-date", "--for", "scoring", task_id="newer", trigger_rule="none_failed_min_one_success")
    chain(features, score, deploy)
    chain([score, deploy], newer(unless=start["inputs"]), run_again("score_daily"))


score_daily()
