"""How often a step is tried: few times after an error of its own, for more than 30 minutes while a service is down."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import RetryAction

from dags.retries import OUTAGE_RETRIES, PatientPolicy, StepFailed
from dags.waiting import PATIENCE, is_over
from pipelines.errors import Mistake, ServiceDown


@pytest.mark.parametrize("cleared_after", [0, 3], ids=["first round", "cleared after three tries"])
def test_an_error_of_its_own_is_tried_three_times(cleared_after: int) -> None:
    policy = PatientPolicy(2)
    max_tries = cleared_after + policy.all_retries
    actions = [policy.evaluate(ValueError(), cleared_after + number, max_tries).action for number in (1, 2, 3)]
    assert actions == [RetryAction.DEFAULT, RetryAction.DEFAULT, RetryAction.FAIL]
    down = policy.evaluate(StepFailed(ServiceDown.exit_code), cleared_after + 9, max_tries)
    assert down.action == RetryAction.DEFAULT
    assert policy.evaluate(StepFailed(1), cleared_after + 1, max_tries).action == RetryAction.DEFAULT
    assert policy.evaluate(StepFailed(1), cleared_after + 3, max_tries).action == RetryAction.FAIL


def test_a_mistake_of_a_person_is_not_tried_again() -> None:
    policy = PatientPolicy(2)
    assert policy.evaluate(StepFailed(Mistake.exit_code), 1, policy.all_retries).action == RetryAction.FAIL


def test_an_outage_of_thirty_minutes_is_outlasted_by_every_step(bag: Any) -> None:
    from airflow.models.taskinstance import TaskInstance

    for dag in bag.dags.values():
        for task in (task for task in dag.tasks if task.retry_policy):
            assert task.retries == OUTAGE_RETRIES
            waited = timedelta()
            for number in range(1, task.retries + 1):
                stand_in = SimpleNamespace(
                    task=SimpleNamespace(
                        retry_delay=task.retry_delay,
                        retry_exponential_backoff=2.0,
                        max_retry_delay=task.max_retry_delay,
                    ),
                    retry_delay_override=None,
                    end_date=datetime(2026, 1, 1, tzinfo=UTC),
                    try_number=number,
                    dag_id=dag.dag_id, task_id=task.task_id, run_id="r", logical_date=None, map_index=-1,
                    key=None,
                )  # fmt: skip
                waited += TaskInstance.next_retry_datetime(stand_in) - stand_in.end_date
            assert timedelta(minutes=40) < waited < timedelta(hours=2), task.task_id
            assert waited < dag.dagrun_timeout


def test_without_retries_nothing_is_tried_again() -> None:
    assert PatientPolicy(0).all_retries == 0


def test_retraining_waits_for_ingests_but_not_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    assert is_over(0, timedelta())
    assert not is_over(1, PATIENCE - timedelta(seconds=1))
    assert not caplog.records
    assert is_over(1, PATIENCE)
    assert "ingest_daily still has 1 active runs after 2:00:00" in caplog.text
