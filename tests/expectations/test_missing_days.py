"""Missing days of a log against days on which nothing happened, on logs drawn with a seed."""

from datetime import date, timedelta

import numpy as np
import pytest

from expectations.missing_days import missing_days

FIRST, A_DAY = date(2023, 1, 2), timedelta(days=1)  # a Monday


def log(days, rate, lines=1, seed=0, closed=()):
    """Poisson orders a day with 1 to `lines` rows each, none on closed weekdays."""
    random = np.random.default_rng(seed)
    rows = {}
    for n in range(days):
        orders = 0 if n % 7 in closed else int(random.poisson(rate))
        rows[FIRST + A_DAY * n] = int(random.integers(1, lines + 1, orders).sum())
    return rows


def without(rows, first, end):
    return {day: count for day, count in rows.items() if not FIRST + A_DAY * first <= day < FIRST + A_DAY * end}


@pytest.mark.parametrize("rate", [2, 8, 100])
def test_an_outage_of_weeks_is_missing_in_any_shop(rate):
    found = missing_days(without(log(200, rate), 100, 123))
    assert set(found) >= {FIRST + A_DAY * n for n in range(100, 123)}
    assert len(found) <= 24  # with an empty day beside it


def test_an_outage_in_a_shop_that_is_closed_on_sundays_has_no_sundays():
    found = missing_days(without(log(200, 50, closed=(6,)), 100, 123))
    assert found == [FIRST + A_DAY * n for n in range(100, 123) if n % 7 != 6]


def test_one_day_of_a_busy_shop_is_missing():
    assert missing_days(without(log(60, 40), 30, 31)) == [FIRST + A_DAY * 30]


@pytest.mark.parametrize(("rate", "lines"), [(0.3, 1), (1, 1), (1, 6), (3, 1), (3, 6), (6, 3), (12, 1)])
def test_days_on_which_nobody_came_are_not_missing(rate, lines):
    shops = 5
    assert sum(len(missing_days(log(730, rate, lines, seed))) for seed in range(shops)) <= 1  # in ten years


def test_closed_days_and_days_outside_the_log_are_not_missing():
    rows = without(log(60, 40), 30, 32)
    assert missing_days(rows, closed=[FIRST + A_DAY * 30]) == [FIRST + A_DAY * 31]
    assert missing_days({}) == missing_days({FIRST: 5}) == []


def test_a_young_shop_with_an_outage():
    rows = without(log(30, 40), 6, 24)
    assert missing_days(rows) == [FIRST + A_DAY * n for n in range(6, 24)]
