"""Thirty quiet nights of a simulated shop through the steps, with a passed clock: `make test-long`.

The shop has orders and users. Drift of events is measured in benchmarks/drift.md.
"""

import os
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from marketplace.plan import Plan
from pipelines.lake import tables
from pipelines.monitor.step import monitor
from pipelines.settings import Settings
from pipelines.simulate import simulate
from pipelines.tracking.champion import find_champion
from pipelines.tracking.runs import connect
from tests.nights.steps import SMALL, load, rescore, retrain

NIGHTS, HISTORY, USERS = int(os.environ.get("NIGHTS", "30")), 100, 6_000
RETRAINED = 7
"""Nights between two retrainings."""

START = date(2024, 2, 1)
A_DAY = timedelta(days=1)

pytestmark = pytest.mark.long


@pytest.fixture
def shop(settings: Settings, tmp_path: Path) -> Settings:
    """Settings of a shop whose source holds all days; a night reads only those that are over."""
    written = simulate(settings, Plan(USERS, HISTORY + NIGHTS, 0, START), tmp_path / "shop", Console(quiet=True))
    source = Path(written["source"])
    given = yaml.safe_load(source.read_text())
    given["tables"] = {name: given["tables"][name] for name in ("order_lines", "users")}
    source.write_text(yaml.safe_dump(given))
    return settings.with_changes(source=str(source), **SMALL)


def test_quiet_nights_are_scored_and_monitored_without_a_false_alarm(shop: Settings) -> None:
    first = START + A_DAY * HISTORY
    load(shop, first)
    assert retrain(shop, first).outcome == "first_champion"
    alarms = []
    for night in range(1, NIGHTS + 1):
        day = first + A_DAY * night
        load(shop, day)
        scored = rescore(shop, day)
        assert scored.warnings == []
        assert scored.rows > 0
        checked = monitor(shop, day)
        assert checked.checks > 0
        alarms += [checked.reason] if checked.alarm else []
        if night % RETRAINED == 0:
            retrain(shop, day)
    assert alarms == []
    assert find_champion(shop, connect(shop)).state == "in_force"
    assert len(tables.days(shop, "predictions", "snapshot_date")) == NIGHTS
    assert tables.days(shop, "raw/order_lines") == [START + A_DAY * number for number in range(HISTORY + NIGHTS)]
