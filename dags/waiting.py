"""Wait for another DAG without holding a slot."""

import logging
from datetime import UTC, datetime, timedelta

from airflow.sdk import get_current_context, task

PATIENCE = timedelta(hours=2)
"""Longest wait; then the run goes on with the data that are there."""


def is_over(active_runs: int, waited: timedelta) -> bool:
    """Whether the wait for the active runs of `ingest_daily` is over; log the reason if it ends without them."""
    if active_runs and waited >= PATIENCE:
        logging.getLogger(__name__).warning(
            "ingest_daily still has %d active runs after %s. This run goes on with the data that are there, unless "
            "they are older than ingest.max_staleness_days. Look at ingest_daily in the grid.",
            active_runs,
            PATIENCE,
        )
    return not active_runs or waited >= PATIENCE


@task.sensor(mode="reschedule", poke_interval=30, timeout=PATIENCE.total_seconds() + 3600)
def wait_for_ingest() -> bool:
    """Wait until no run of `ingest_daily` is queued or running; after a pause both DAGs start at once."""
    context = get_current_context()
    active = context["ti"].get_dr_count(dag_id="ingest_daily", states=["queued", "running"])
    started = context["dag_run"].start_date or datetime.now(UTC)
    return is_over(active, datetime.now(UTC) - started)
