"""Run a step: time it and store its result."""

import time
from collections.abc import Callable
from datetime import date
from typing import TypeVar

import psutil

from pipelines.results.data import Ingested, Validated
from pipelines.results.result import Result, Seconds, write_result
from pipelines.settings import Settings

Kind = TypeVar("Kind", bound=Result)


def run_step(settings: Settings, snapshot_date: date | None, name: str, step: Callable[[], Kind]) -> Kind:
    """Run a step and write its result under `snapshot_date`; None: under the result's `to_date` (ingest, validate).

    Returns:
        The step's result with its `seconds`.

    Raises:
        PurseError: the step raised it.
    """
    starting = _seconds_since_start()
    began = time.monotonic()
    result = step()
    seconds = Seconds(starting=round(starting, 2), computing=round(time.monotonic() - began, 2))
    result = result.model_copy(update={"seconds": seconds})
    write_result(settings, snapshot_date or _end(result), result, name)
    return result


def _end(result: Result) -> date:
    """Exclusive end of the days that `ingest` or `validate` processed."""
    if not isinstance(result, Ingested | Validated):
        raise TypeError(f"Expected the result of 'ingest' or 'validate', found that of '{result.step}'.")
    return result.to_date


_started: list[float] = []


def _seconds_since_start() -> float:
    """Seconds from the start of this process to its first step."""
    if _started:
        return 0.0
    _started.append(time.time() - psutil.Process().create_time())
    return _started[0]
