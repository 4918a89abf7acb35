"""# Check the home from end to end.

This DAG runs `purse doctor` once a day (`airflow.doctor_schedule`, in the source's `timezone`): modes of files, disk,
databases, the lake's logs against its files, missing days, the registry against Purse's own record, seals, releases,
the live store against the newest scores, schedules, versions, ports and the clock. The page *Health* of the dashboard
shows what it found.

**It does not** change anything. `purse doctor --fix` removes what can be removed without losing anything.

**When it is red** the log names each fault with the command against it. Run the command, then clear the task.
"""

from datetime import timedelta

from airflow.sdk import dag

from dags.days import at_shop_time
from dags.steps import purse, task_defaults
from pipelines.settings import load_settings


@dag(
    schedule=at_shop_time(load_settings().airflow.doctor_schedule),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args=task_defaults(),
    doc_md=__doc__,
    tags=["purse", "monitoring"],
)
def doctor_daily() -> None:
    """Wire the step."""
    purse("doctor")()


doctor_daily()
