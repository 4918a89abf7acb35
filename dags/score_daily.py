"""# Score every user.

Runs when new orders were validated or a new champion was promoted: computes the features of every user as of the
snapshot date and writes what the champion says of them to `predictions` in the lake and to
`exports/scores_<date>.csv`. A rerun of a date replaces its scores. Then the live service tries the newest scores of the
champion on its canary and answers from them.

**Which date.** The date of the event that started the run; in a run that a person triggers, the date in
the form, or else the day after the lake's last complete day.

**It does not** train or choose a model. As long as there is no champion, the run is skipped and says so; the first
`retrain_daily` that promotes one starts this DAG again.

**When it is red** the last scores stay in force.
- *snapshot_date*: the lake is empty or older than `ingest.max_staleness_days`. Run `ingest_daily`.
- *deploy*: the live service refuses the new release, with the reason, and goes on with the one before; or it broke
  off, see `purse logs serving`. Skipped means that no service runs. `purse deploy` does the same by hand.
- *build_features*, *score*: *Data Docs* on the task shows what the table should be and is not. If a new champion is to
  blame, `purse rollback` brings the previous one back; then clear *score*.
"""

from datetime import timedelta

from airflow.sdk import chain, dag

from dags.assets import CHAMPION, ORDER_LINES, PREDICTIONS, newest_snapshot_date
from dags.steps import SNAPSHOT_DATE, purse, task_defaults


@dag(
    schedule=ORDER_LINES | CHAMPION,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=3),
    default_args=task_defaults(),
    doc_md=__doc__,
    tags=["purse", "scores"],
    params={"snapshot_date": SNAPSHOT_DATE},
    user_defined_macros={"newest_snapshot_date": newest_snapshot_date},
)
def score_daily() -> None:
    """Wire the steps."""
    wanted = "{{ params.snapshot_date or newest_snapshot_date(triggering_asset_events) }}"
    day = purse("snapshot-date", "--for", "scoring")(snapshot_date=wanted)["snapshot_date"]
    features = purse("build-features", "--for", "scoring")(snapshot_date=day)
    chain(features, purse("score", outlets=[PREDICTIONS])(snapshot_date=day), purse("deploy")())


score_daily()
