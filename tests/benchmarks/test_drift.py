"""On the simulated marketplace drift of a known date is seen within three days, and quiet days are quiet.

Here single days only, which is what fires first; features and predictions as well are in benchmarks/drift.md.
"""

import importlib.util
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.retraining.reference.learned import Reference, learn_days

SPEC = importlib.util.spec_from_file_location("drift", Path(__file__).resolve().parents[2] / "benchmarks" / "drift.py")
drift = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(drift)
USERS = 6_000


@pytest.fixture
def alarms(settings):
    def watched(days: int, kinds: dict[str, int]) -> list:
        end = drift.TRAINED + timedelta(days=days)
        shop = drift.Marketplace(settings, USERS, 0, end, kinds)
        start = drift.TRAINED - timedelta(days=settings.monitor.reference_days)
        columns = learn_days(shop.days(start, drift.TRAINED))
        return drift.watch(shop, Reference(drift.TRAINED, columns), lambda _: {})

    return watched


def test_sixty_quiet_days_raise_at_most_one_alarm(alarms):
    assert len(alarms(60, {})) <= 1


def test_three_drifts_are_seen_within_three_days_and_named(alarms):
    first = (drift.TRAINED - drift.START).days + 5
    found = alarms(8, dict.fromkeys(drift.KINDS, first))
    assert [day for day, _ in found] <= [drift.TRAINED + timedelta(days=8)]
    assert found[0][0] > drift.TRAINED + timedelta(days=5)
    columns = {name.split()[0] for name in found[0][1]}
    assert {"days.price_change", "days.views_by_category", "days.dwell_per_view", "days.carts"} <= columns
