"""Weekdays, seasons and campaigns, against the calendar."""

from datetime import date, timedelta

import numpy as np
import pytest

from marketplace.catalogue import CATEGORIES
from marketplace.plan import Plan
from marketplace.season import CAMPAIGNS, campaign, season


def plan(start):
    return Plan(users=1, days=400, seed=0, start=start)


def test_no_two_campaigns_share_a_day_even_in_a_leap_year():
    for year in (2023, 2024):
        days = [date(year, one.month, one.day) + timedelta(days=day) for one in CAMPAIGNS for day in range(one.days)]
        assert len(days) == len(set(days))
        assert all(campaign(day) is not None for day in days)


@pytest.mark.parametrize(
    ("today", "name"),
    [
        (date(2024, 1, 7), None),
        (date(2024, 1, 8), "winter sale"),
        (date(2024, 1, 21), "winter sale"),
        (date(2024, 1, 22), None),
        (date(2023, 11, 24), "black week"),
    ],
)
def test_a_campaign_runs_from_its_first_day_to_its_last(today, name):
    running = campaign(today)
    assert (running.name if running else None) == name


def test_discounts_are_those_of_the_campaign_and_the_same_on_all_its_days():
    shop = plan(date(2024, 1, 1))
    assert not season(shop, 6).discounts.any()
    first, last = season(shop, 7).discounts, season(shop, 20).discounts
    assert np.array_equal(first, last)
    assert set(first) == {0.0, 0.25}
    assert abs((first > 0).mean() - 0.35) < 0.03


def test_sundays_and_december_are_busier():
    quiet = plan(date(2024, 5, 6))
    week = [season(quiet, day).visits for day in range(7)]
    assert np.argmax(week) == 6
    wednesdays = [season(plan(start), 0).visits for start in (date(2024, 12, 4), date(2024, 6, 5))]
    assert wednesdays[0] > 1.2 * wednesdays[1]


def test_interest_moves_with_the_year():
    garden = [category.name for category in CATEGORIES].index("garden")
    may, november = (season(plan(start), 0).interest for start in (date(2024, 5, 10), date(2024, 11, 10)))
    assert may.sum() == pytest.approx(1)
    assert may[garden] > 3 * november[garden]
