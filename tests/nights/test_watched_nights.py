"""A fortnight of scheduled nights of the running stack, watched by moving its clock, ends like one load of its days.

The moved clock (clock.c) is the realtime clock of every process of the stack; the tests keep the machine's own.
"""

import logging
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import httpx
import pytest

from pipelines.lake import tables
from pipelines.settings import Settings, load_settings
from stack import airflow_api
from tests.integration.conftest import SMALL, free_port
from tests.nights.shops import (
    A_DAY,
    KEYS,
    MISSED,
    NIGHTS,
    REPEATED,
    SNAPSHOTS,
    ZONES,
    Shop,
    assert_equal,
    late_shop,
    without_lake,
)
from tests.nights.steps import load, rescore

pytestmark = [pytest.mark.long, pytest.mark.skipif(shutil.which("gcc") is None, reason="the clock needs gcc")]

log = logging.getLogger(__name__)
PURSE = Path(sys.executable).with_name("purse")
DAGS = ("ingest_daily", "score_daily", "monitor_daily", "retrain_daily")
INGEST_HOUR, RETRAIN_HOUR = 2, 4
FIRST = date(2028, 2, 28)
"""A Monday in the future, as services that beat in the past would not count as started. A leap day follows, and in Los
Angeles a change of clocks."""

RETRAINED = "0 4 * * 1"
"""Retraining on Mondays: the day of the first load and one and two weeks later."""

A_NIGHT = 900.0
"""Seconds of the machine's clock after which a night that has not ended is a failure."""


class Stack:
    """A running stack whose clock is set."""

    def __init__(self, shop: Shop, settings: Settings, folder: Path) -> None:
        self.shop, self.settings, self.offset = shop, settings, folder / "clock.bin"
        library, code = folder / "clock.so", Path(__file__).with_name("clock.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, code, "-ldl"], check=True)
        self.environment = {**os.environ, "CLOCK_FILE": str(self.offset), "LD_PRELOAD": str(library)}

    def moment(self, day: date, hour: int) -> datetime:
        """Time of the shop on a day."""
        return datetime(day.year, day.month, day.day, hour, tzinfo=self.shop.zone)

    def set_clock(self, moment: datetime, seconds_before: float = 5.0) -> None:
        """Let the stack's clock go on from a moment."""
        offset = int(moment.timestamp() - seconds_before - time.time())
        with self.offset.open("r+b" if self.offset.exists() else "wb") as file:  # processes have mapped this file
            file.write(struct.pack("q", offset))

    def purse(self, command: str) -> None:
        """Run a command in the moved time."""
        subprocess.run([PURSE, command], env=self.environment, check=True, timeout=600)

    def scheduled(self, dag_id: str, moment: datetime) -> None:
        """Let a scheduled run's time come, and wait until it and what it starts has ended.

        Raises:
            AssertionError: a run failed.
        """
        self.set_clock(moment)
        with airflow_api.connect(self.settings) as client:
            self.wait(lambda: self._run(client, dag_id, moment) == "success")
            self.wait_until_idle(client)

    def wait_until_idle(self, client: httpx.Client) -> None:
        """Wait until no run is active for five seconds."""
        idle_since = time.monotonic()

        def idle() -> bool:
            nonlocal idle_since
            # the doctor compares the moved clock with times of files, which are the machine's
            runs = [run for run in airflow_api.newest_runs(client, limit=20) if run["dag_id"] != "doctor_daily"]
            assert {run["state"] for run in runs} <= {"queued", "running", "success"}, runs
            if any(run["state"] in ("queued", "running") for run in runs):
                idle_since = time.monotonic()
            return time.monotonic() - idle_since > 5

        self.wait(idle)

    def _run(self, client: httpx.Client, dag_id: str, moment: datetime) -> str | None:
        """State of the run that a schedule started at a moment."""
        runs = airflow_api.get(client, f"/dags/{dag_id}/dagRuns", order_by="-run_after", limit=5)["dag_runs"]
        at = moment.timestamp()  # two zones never agree on a time that a change of clocks skips
        due = {run["state"] for run in runs if datetime.fromisoformat(run["run_after"]).timestamp() == at}
        assert "failed" not in due, runs
        return due.pop() if due else None

    def wait(self, is_so: Callable[[], bool]) -> None:
        until = time.monotonic() + A_NIGHT
        while not is_so():
            assert time.monotonic() < until, "the night has not ended"
            time.sleep(1)


@pytest.fixture(params=ZONES)
def stack(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    shop = late_shop(request.param, settings, tmp_path, FIRST)
    given = {
        **SMALL,
        "PURSE_SOURCE": str(shop.source),
        "PURSE_HOME": str(tmp_path / "home"),
        "PURSE_SERVICES__AIRFLOW_PORT": str(free_port()),
        "PURSE_SERVICES__MLFLOW_PORT": str(free_port()),
        "PURSE_SERVING__PORT": str(free_port()),
        "PURSE_AIRFLOW__RETRAIN_SCHEDULE": RETRAINED,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return Stack(shop, load_settings(), tmp_path)


def watch(stack: Stack) -> None:
    """Run the nights of the schedule, without the missed ones and with one repeated."""
    for number in range(NIGHTS + 1):
        day = stack.shop.night(number)
        begins = stack.moment(day, INGEST_HOUR)
        stack.shop.export_until(begins)
        if number in MISSED:
            continue
        if number in (0, MISSED[-1] + 1):
            stack.set_clock(begins, seconds_before=300)
            stack.purse("up")
        with airflow_api.connect(stack.settings) as client:
            for dag_id in DAGS if number == 0 else ():
                airflow_api.wait_for_dag(client, dag_id)
        stack.scheduled("ingest_daily", begins)
        assert tables.days(stack.settings, "raw/order_lines")[-1] == day - A_DAY
        if day.weekday() == FIRST.weekday():
            stack.scheduled("retrain_daily", stack.moment(day, RETRAIN_HOUR))
        assert tables.days(stack.settings, "predictions", "snapshot_date")[-1] == day
        if number == REPEATED:
            with airflow_api.connect(stack.settings) as client:
                run_id = airflow_api.trigger(client, "ingest_daily")
                stack.wait(lambda: airflow_api.run_state(client, "ingest_daily", run_id) == "success")  # noqa: B023
                stack.wait_until_idle(client)
        if number + 1 == MISSED[0]:
            stack.purse("down")
        log.info("%s has ended", day)


def test_a_fortnight_of_scheduled_nights_equals_one_load(stack: Stack, tmp_path: Path) -> None:
    try:
        watch(stack)
    finally:
        stack.purse("down")
    last, settings = stack.shop.night(NIGHTS), stack.settings
    at_once = without_lake(settings, tmp_path / "at once")
    load(at_once, last)
    for name, keys in KEYS.items():
        assert_equal(settings, at_once, name, keys)
    days = [stack.shop.night(number) for number in (1, MISSED[-1] + 1, REPEATED, NIGHTS)]
    for day in days:  # late rows and another champion came after the early nights; the last has its scores
        for own in (settings, at_once) if day < last else (at_once,):
            rescore(own, day)
    for day in days:
        for name in SNAPSHOTS:
            assert_equal(settings, at_once, name, ["user_id"], day)
