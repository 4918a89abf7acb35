"""Which causes ask for a retraining: each is paused by its own alarm, and by no other."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from models.measures.drift import MIN_ROWS, Summary, learn
from pipelines.lake.names import ALARM
from pipelines.monitor.checks import COLUMNS, find_drift, find_falls
from pipelines.monitor.verdict import decide
from pipelines.retraining.reference.learned import Reference
from pipelines.settings import load_settings

CONFIG = load_settings().monitor
START = date(2024, 5, 1)
A_DAY = timedelta(days=1)
T, PRICE = ("features.spend_28d", "psi"), ("days.price_change", "distance")


def nights(*plan: dict) -> list[bool]:
    """Alarm of each night, given the value of each violated check."""
    history, alarms = pd.DataFrame(columns=["snapshot_date", "model_version", *COLUMNS, "violated"]), []
    for number, violated in enumerate(plan):
        rows = [(name, kind, value, 1.0) for (name, kind), value in violated.items()]
        checks = pd.DataFrame(rows, columns=COLUMNS).assign(violated=True)
        verdict = decide(CONFIG, START + A_DAY * number, "1", checks, history)
        alarm = {"name": ALARM, "kind": "days", "value": 0.0, "threshold": 0.0, "violated": verdict.alarm}
        tonight = pd.DataFrame([*checks.to_dict("records"), alarm])
        tonight = tonight.assign(snapshot_date=START + A_DAY * number, model_version="1")
        history = tonight if history.empty else pd.concat([history, tonight], ignore_index=True)
        alarms.append(verdict.alarm)
    return alarms


def test_an_alarm_of_another_cause_is_not_paused():
    """Prices times three, the week after a false alarm."""
    assert nights({T: 2.0}, {T: 2.0}, {T: 2.0, PRICE: 9.0}, {T: 2.0, PRICE: 9.0}) == [False, True, False, True]


def test_a_cause_that_was_violated_once_on_the_night_of_another_alarm_is_not_paused():
    assert nights({T: 2.0}, {T: 2.0, PRICE: 9.0}, {PRICE: 9.0}) == [False, True, True]


def test_a_cause_that_lasts_asks_once():
    assert sum(nights(*[{PRICE: 9.0}] * 40)) == 1


def test_a_cause_that_ended_and_comes_back_asks_again():
    quiet: list[dict] = [{}] * 20
    assert sum(nights({PRICE: 9.0}, {PRICE: 9.0}, *quiet, {PRICE: 9.0}, {PRICE: 9.0})) == 2


def test_the_same_cause_at_twice_the_value_asks_again():
    """Prices rise by half, and three days later to three times."""
    assert nights({PRICE: 2.0}, {PRICE: 2.0}, {PRICE: 2.1}, {PRICE: 4.5}) == [False, True, False, True]


def test_other_windows_of_a_feature_are_the_same_cause():
    other = ("features.spend_7d", "distance")
    assert nights({T: 2.0}, {T: 2.0}, {T: 2.0, other: 9.0}, {T: 2.0, other: 9.0}) == [False, True, False, False]


@pytest.mark.parametrize(
    "name", ["features.T", "features.tenure", "features.recency", "features.days_since_last_order"]
)
def test_a_day_older_is_no_drift_but_a_lost_column_is(name):
    users = np.linspace(1, 80, 101)
    older = [Summary(500, 0.0, (users - days).tolist()) for days in (7, 14, 21)]
    reference = Reference(START, {name: learn(Summary(500, 0.0, users.tolist()), older, [7, 14, 21])})

    def violated(now: Summary) -> list[str]:
        found = find_drift(START + A_DAY * 2, reference, {name: now}, _history([]), 5.0, 3)
        return [check.measure for _, check in found if check.value > check.threshold]

    assert violated(Summary(500, 0.0, (users + 60).tolist())) == []
    assert violated(Summary(500, 0.9, users.tolist())) == ["missing"]


def _history(values: list[float]) -> pd.DataFrame:
    days = [START + A_DAY * number for number in range(len(values))]
    rows = pd.DataFrame({"snapshot_date": days, "name": "features.spend_182d", "kind": "distance", "value": values})
    return rows.astype({"name": "object", "kind": "object", "value": float})


def test_a_population_that_ages_as_it_did_is_no_drift_and_a_jump_is():
    grid = np.linspace(0, 100, 101)
    quiet = [Summary(500, 0.0, (grid + shift).tolist()) for shift in (0.5, 1, 1.5)]
    reference = Reference(START, {"features.spend_182d": learn(Summary(500, 0.0, grid.tolist()), quiet, [0, 0, 0])})
    slow = _history([0.004 * number for number in range(40)])

    def violated(shift: float) -> bool:
        now = {"features.spend_182d": Summary(500, 0.0, (grid + shift).tolist())}
        found = find_drift(START + A_DAY * 40, reference, now, slow, 5.0, 3)
        return any(check.value > check.threshold for _, check in found if check.measure == "distance")

    assert not violated(4.6)
    assert violated(30.0)


@pytest.mark.parametrize(("today", "found"), [(1000, False), (930, False), (700, True), (0, True), (1900, False)])
def test_a_fall_of_users_is_seen_on_the_day(today, found):
    counts = {START - A_DAY * day: 1000 for day in range(2, 40)} | {START - A_DAY: today}
    ((name, check),) = find_falls({"events": counts}, START)
    assert (name, check.value > check.threshold) == ("days.events", found)


def test_a_day_that_was_not_loaded_is_no_fall():
    before = {START - A_DAY * day: 1000 for day in range(2, 40)}
    assert list(find_falls({"orders": before, "events": before}, START)) == []
    loaded = before | {START - A_DAY: 1000}
    assert [name for name, _ in find_falls({"orders": loaded, "events": before}, START)] == [
        "days.orders",
        "days.events",
    ]


def test_a_day_of_rest_and_a_small_shop_are_not_compared():
    weekly = {START - A_DAY * day: (0 if (day - 1) % 7 == 0 else 1000) for day in range(1, 40)}
    assert list(find_falls({"orders": weekly}, START)) == []
    assert list(find_falls({"orders": {START - A_DAY * day: MIN_ROWS - 1 for day in range(1, 40)}}, START)) == []
