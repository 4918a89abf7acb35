from datetime import date, timedelta

import holidays
import numpy as np
import pytest

from models.level.methods import season
from models.level.year_ago import YEAR_DAYS, days_to_last_year

TAIWAN = dict(holidays.country_holidays("TW", years=range(1999, 2003)))


def test_new_year_by_the_moon() -> None:
    # it began on 2000-02-05 and on 2001-01-24, 354 days later: 51 weeks are 357
    assert days_to_last_year(date(2001, 1, 15), 28, TAIWAN) == 357
    # and on 2002-02-12, 384 days later: 55 weeks are 385
    assert days_to_last_year(date(2002, 2, 4), 28, TAIWAN) == 385


def test_easter() -> None:
    germany = dict(holidays.country_holidays("DE", years=[2023, 2024]))
    assert days_to_last_year(date(2024, 3, 25), 14, germany) == 357  # 31 March 2024 after 9 April 2023


@pytest.mark.parametrize("start", [date(2001, 11, 5), date(2000, 12, 20)])
def test_holidays_that_stay_and_none_are_a_year_of_weeks(start) -> None:
    assert days_to_last_year(start, 7, TAIWAN) == YEAR_DAYS
    assert days_to_last_year(start, 28, {}) == YEAR_DAYS


def test_a_season_moves_with_its_holiday() -> None:
    first, end = date(2000, 1, 3), date(2001, 1, 15)
    days = [first + timedelta(days=day) for day in range((end - first).days)]
    new_year = date(2000, 2, 5)
    spend = np.array([3.0 if timedelta(0) <= new_year - day < timedelta(days=14) else 1.0 for day in days])
    back = days_to_last_year(end, 14, TAIWAN)
    assert season(np.concatenate([np.ones(364), spend]), 14, back) > season(np.concatenate([np.ones(364), spend]), 14)
