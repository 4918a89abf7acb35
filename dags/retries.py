"""Retries of a step: few after an error of its own, many while a service does not answer, none after a mistake."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Context, RetryDecision, RetryPolicy

from pipelines.errors import Mistake, ServiceDown

OUTAGE_RETRIES = 9
"""Retries while a service does not answer: with the delays of `DELAYS` the last starts after 50 minutes."""

DELAYS: dict[str, Any] = {
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
}
"""Delays between tries: 20 seconds, doubled each time, at most 10 minutes."""


class StepFailed(SystemExit):
    """A step ended with the exit code `code`; Airflow logs this without a stack, which would be of Airflow's code."""


class PatientPolicy(RetryPolicy):
    """Fail a task after `retries` retries, unless a service does not answer: then all retries of the task count."""

    def __init__(self, retries: int) -> None:
        """Set the retries after an error of the step's own."""
        self.retries = retries

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,  # noqa: ARG002  # Airflow's form
    ) -> RetryDecision:
        """Decide after a failed try; `max_tries` belongs to the task, and grows when the task is cleared."""
        code = exception.code if isinstance(exception, StepFailed) else None
        if code == ServiceDown.exit_code:
            return RetryDecision.default()
        if code == Mistake.exit_code:
            return RetryDecision.fail("An option, a setting or a source file is wrong: another try fails as well")
        tries = try_number - (max_tries - self.all_retries)
        if tries <= self.retries:
            return RetryDecision.default()
        return RetryDecision.fail(f"It failed {tries} times (airflow.retries), and no service was down")

    @property
    def all_retries(self) -> int:
        """Retries of a task; none with `airflow.retries: 0`."""
        return max(self.retries, OUTAGE_RETRIES) if self.retries else 0
