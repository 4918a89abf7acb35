"""# Ingest yesterday's rows of every table.

This DAG copies days from the source into the lake and validates them. Rows that break a critical rule move to
`quarantine/` with the reason, all other rows to `raw/`. If rows have changed, scoring then starts automatically.

**Days.** Schedule and days are in the source's `timezone`. The scheduled run of day D loads every day before D that was
never loaded, also after an outage of weeks. To catch late rows, it also loads the `ingest.lookback_days` days before
the newest loaded day. A day without changed rows is left unchanged, and a day that the source no longer has is kept. A
backfill (*Trigger*, *Backfill*) loads only the day before each day of its range. A manual run loads the range in the
form (a backfill ignores it). If the form is empty, it loads from `ingest.lookback_days` before the newest loaded day to
the end of the source, for a live shop to the last day that is over.

**It does not** build features, train or score. It never changes a row: invalid rows stay in quarantine.

**When it is red**
- *ingest*: the message names the file and the column, or the setting. Nothing was written; the lake is unchanged. If
  a loaded day lost most of its rows or sales, it names the day: repair the source, or run the days again by hand with
  *Replace days on purpose* (`--replace`).
- *validate*: too many rows broke a rule. *Data Docs* on the task shows the rules, with examples. Correct the
  source and clear *ingest*, or raise `ingest.max_quarantined_share` in `conf/purse.yaml` and clear *validate*.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.assets import ORDER_LINES, is_news
from dags.days import at_shop_time, day_of_run
from dags.steps import purse, task_defaults
from pipelines.settings import load_settings

SCHEDULED = "dag_run.run_type in ('scheduled', 'backfill')"
# without a first day the step begins at the lookback or the first day that was never loaded, whichever is earlier
FIRST_DAY = "'' if dag_run.run_type == 'scheduled' else params.from_date or ''"
FROM_DATE = f"{{{{ day_of_run(dag_run.logical_date, 1) if dag_run.run_type == 'backfill' else {FIRST_DAY} }}}}"
REPLACE = "{{ params.replace if dag_run.run_type == 'manual' and params.replace else '' }}"
TO_DATE = f"{{{{ day_of_run(dag_run.logical_date) if {SCHEDULED} else params.to_date or '' }}}}"


@task(inlets=[ORDER_LINES], outlets=[ORDER_LINES])
def announce_orders(validated: dict[str, Any]) -> None:
    """Start the DAGs that wait for new orders; skip the task if the tables hold the rows that were announced last."""
    context, news = get_current_context(), {name: validated[name] for name in ("snapshot_date", "mark")}
    if not is_news(context["inlet_events"][ORDER_LINES], news):
        raise AirflowSkipException("No row has changed: there is nothing to score. To score anyway, run score_daily.")
    context["outlet_events"][ORDER_LINES].extra = news


@dag(
    schedule=at_shop_time(load_settings().airflow.ingest_schedule),
    catchup=False,  # no start date: the first run waits for its scheduled time, and any day can be backfilled
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=3),
    default_args=task_defaults(),
    doc_md=__doc__,
    user_defined_macros={"day_of_run": day_of_run},
    tags=["purse", "data"],
    params={
        "from_date": Param(
            None,
            type=["null", "string"],
            format="date",
            title="First day",
            section="Manual run",
            description="Empty: ingest.lookback_days before the newest loaded day, or the first day.",
        ),
        "to_date": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Day after the last day",
            section="Manual run",
            description="Empty: every day that is over.",
        ),
        "replace": Param(
            False,  # noqa: FBT003  # Airflow takes the default by position
            type="boolean",
            title="Replace days on purpose",
            section="Manual run",
            description="Also delete days that the source has lost, and days that lost most of their rows or sales.",
        ),
    },
)
def ingest_daily() -> None:
    """Wire the steps."""
    # a backfill starts several runs at once; its days must be written one after the other
    ingest = purse("ingest", max_active_tis_per_dag=1)(from_=FROM_DATE, to=TO_DATE, replace=REPLACE)
    validate = purse("validate", max_active_tis_per_dag=1)
    announce_orders(validate(from_=ingest["from_date"], to=ingest["to_date"], replace=REPLACE))


ingest_daily()
