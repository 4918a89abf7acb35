"""# Ingest yesterday's rows of every table.

Copies one day from the source into the lake and validates it: rows that break a critical rule move to
`quarantine/` with their reason, the others to `raw/`. Scoring then starts by itself.

**Which day.** The run of a day D takes the day before it and `ingest.lookback_days` before that, for rows
that came late; a day whose rows have not changed is left as it is. A backfill (*Trigger*, *Backfill*) takes
the day before each day of its range alone. A run that a person triggers takes the range in the form; left
empty, from `ingest.lookback_days` before the newest loaded day to the end of the source.

**It does not** build features, train or score, and it never changes a row: what was wrong stays in quarantine.

**When it is red**
- *ingest*: the message names the file and the column, or the setting. Nothing was written; the lake is as before.
- *validate*: too many rows broke a rule. *Data Docs* on the task shows which, with examples. Correct the
  source and clear *ingest*, or raise `ingest.max_quarantined_share` in `conf/purse.yaml` and clear *validate*.
"""

from datetime import timedelta

from airflow.sdk import Param, dag

from dags.assets import ORDER_LINES
from dags.steps import purse, task_defaults
from pipelines.settings import load_settings

BY_THE_CLOCK = "dag_run.run_type in ('scheduled', 'backfill')"
LOOKBACK = load_settings().ingest.lookback_days
DAYS_BACK = f"({1 + LOOKBACK} if dag_run.run_type == 'scheduled' else 1)"
FROM_DATE = f"{{{{ macros.ds_add(ds, -{DAYS_BACK}) if {BY_THE_CLOCK} else params.from_date or '' }}}}"
TO_DATE = f"{{{{ ds if {BY_THE_CLOCK} else params.to_date or '' }}}}"


@dag(
    schedule=load_settings().airflow.ingest_schedule,
    catchup=False,  # without a start date, so that the first run waits for its hour and any day can be backfilled
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=3),
    default_args=task_defaults(),
    doc_md=__doc__,
    tags=["purse", "data"],
    params={
        "from_date": Param(
            None,
            type=["null", "string"],
            format="date",
            title="From",
            description="First day to ingest. Empty: some days before the newest loaded one, or the source's first.",
        ),
        "to_date": Param(
            None,
            type=["null", "string"],
            format="date",
            title="To",
            description="The day after the last day to ingest. Empty: to the end of the source.",
        ),
    },
)
def ingest_daily() -> None:
    """Wire the steps."""
    # a backfill starts several runs at once: its days are written one after the other
    ingest = purse("ingest", max_active_tis_per_dag=1)(from_=FROM_DATE, to=TO_DATE)
    purse("validate", max_active_tis_per_dag=1, outlets=[ORDER_LINES])(from_=ingest["from_date"], to=ingest["to_date"])


ingest_daily()
