"""On the simulated marketplace a fault is found within three nights, and quiet nights are quiet.

Here single days only, which is what fires first; features and predictions as well are in benchmarks/drift.md.
"""

from datetime import date

import pytest

from benchmarks import drift
from benchmarks.drift import A_DAY, FAULTS, TRAINED, Fault, Marketplace
from marketplace.plan import Plan
from pipelines.retraining.reference.learned import Reference, learn_days

USERS, DAYS, FIRST = 6_000, 100, 8


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Rows of a shop, to the end of the summer sale."""
    folder = tmp_path_factory.mktemp("rows")
    drift.simulate(folder, Plan(USERS, DAYS + 76, 0, TRAINED - A_DAY * DAYS))
    return folder


@pytest.fixture
def alarms(rows, settings):
    def watched(end: date, fault: Fault | None = None) -> list:
        shop = Marketplace(settings, rows, TRAINED - A_DAY * DAYS, end, fault)
        start = TRAINED - A_DAY * settings.monitor.reference_days
        return drift.watch(shop, Reference(TRAINED, learn_days(shop.days(start, TRAINED))), lambda _: {})

    return watched


def test_quiet_nights_and_a_sale_raise_no_alarm(alarms):
    assert alarms(TRAINED + A_DAY * 76) == []


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_is_found_within_three_nights(alarms, kind):
    found = alarms(TRAINED + A_DAY * (FIRST + 3), Fault(kind, TRAINED + A_DAY * FIRST))
    assert TRAINED + A_DAY * FIRST < found[0][0] <= TRAINED + A_DAY * (FIRST + 3)
