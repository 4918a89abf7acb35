"""Thirty nights of a small simulated shop through the steps, with a passed clock: `make test-long`."""

import os
from datetime import UTC, date, datetime, timedelta

import pytest
from rich.console import Console

from cli.runner import run_step
from marketplace.plan import Plan
from pipelines.build_features.step import build_features
from pipelines.evaluate.step import evaluate
from pipelines.ingest.step import ingest
from pipelines.lake import tables
from pipelines.monitor.step import monitor
from pipelines.promote import promote
from pipelines.register import register
from pipelines.score import score
from pipelines.simulate import simulate
from pipelines.split import split
from pipelines.sweep import plan, work
from pipelines.tracking.champion import find_champion
from pipelines.tracking.runs import connect
from pipelines.train.step import train
from pipelines.validate.step import validate

NIGHTS, HISTORY = int(os.environ.get("NIGHTS", "30")), 100
RETRAINED = 7
"""Nights between two retrainings."""

START = date(2024, 2, 1)
A_DAY = timedelta(days=1)

pytestmark = pytest.mark.long


@pytest.fixture
def shop(settings):
    """Settings of a shop whose source holds all days; a night reads only those that are over."""
    folder = settings.home_path / "source"
    folder.parent.mkdir(parents=True)
    written = simulate(settings, Plan(6_000, HISTORY + NIGHTS, 0, START), folder, Console(quiet=True))
    return settings.with_changes(
        source=written["source"],
        sweep__families=["linear_rfm", "ridge_rfm"],
        sweep__trials=4,
        training__finalists=2,
        promotion__bootstrap_samples=50,
        serving__port=1,  # where nothing listens
    )


def retrain(shop, day):
    """Steps of `retrain_daily`."""
    run_step(shop, day, "build_features", lambda: build_features(shop, day, "training"))
    for name, step in (("split", split), ("plan_sweep", plan)):
        run_step(shop, day, name, lambda step=step: step(shop, day))
    run_step(shop, day, "sweep", lambda: work(shop, day, "worker-1"))
    for name, step in (("train", train), ("evaluate", evaluate), ("register", register)):
        run_step(shop, day, name, lambda step=step: step(shop, day))
    return promote(shop, day)


def test_thirty_nights_are_scored_monitored_and_raise_no_false_alarm(shop):
    first = START + A_DAY * HISTORY
    ingest(shop, START, first)
    validate(shop, START, first)
    assert retrain(shop, first).outcome == "first_champion"
    alarms, changes = [], 0
    for night in range(NIGHTS):
        day = first + A_DAY * (night + 1)
        begin = day - A_DAY * (1 + shop.ingest.lookback_days)
        run_step(shop, None, "ingest", lambda begin=begin, day=day: ingest(shop, begin, day))
        run_step(shop, None, "validate", lambda begin=begin, day=day: validate(shop, begin, day))
        build_features(shop, day)
        scored = score(shop, day, datetime(day.year, day.month, day.day, 3, tzinfo=UTC))
        assert scored.warnings == []
        assert scored.rows > 0
        checked = monitor(shop, day)
        assert checked.checks > 0
        alarms += [checked.reason] if checked.alarm else []
        if night % RETRAINED == RETRAINED - 1:
            changes += retrain(shop, day).promoted
    assert alarms == []
    assert changes <= NIGHTS // RETRAINED
    assert find_champion(shop, connect(shop)).state == "in_force"
    assert len(tables.days(shop, "predictions", "snapshot_date")) == NIGHTS
    orders = tables.days(shop, "raw/order_lines")
    assert orders == [START + A_DAY * number for number in range(HISTORY + NIGHTS)]
