"""Match the coming window with last year's window that contains the same holidays, which may move."""

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np

WEEK = 7
YEAR_DAYS = 364
"""A year in whole weeks, so that weekdays match."""

MOVES_DAYS = 40
"""Maximum shift of a lunar holiday in the solar calendar from year to year, in days."""

FIXED_DAYS = (365, 366)
"""Days between two years' dates of a holiday with a fixed date."""


def days_to_last_year(start: date, horizon_days: int, holidays: Mapping[date, str]) -> int:
    """Days back, in whole weeks, from the window `[start, start + horizon_days)` to last year's matching window.

    Holidays in the window are matched with last year's by name. If some moved, as Easter and Lunar New Year do, the
    result is the median of their distances; otherwise `YEAR_DAYS`.

    Args:
        start: first day of the window.
        horizon_days: its length.
        holidays: names by day, for both years; a name may cover several consecutive days.

    >>> easter = {date(2023, 4, 9): "Easter", date(2024, 3, 31): "Easter"}
    >>> days_to_last_year(date(2024, 3, 20), 28, easter), days_to_last_year(date(2024, 6, 1), 28, easter)
    (357, 364)
    """
    moves = []
    for day, name in holidays.items():
        if start <= day < start + timedelta(days=horizon_days):
            back = [(day - other).days for other, same in holidays.items() if same == name and other < day]
            moves += [days for days in back if abs(days - YEAR_DAYS) <= MOVES_DAYS and days not in FIXED_DAYS]
    return WEEK * round(float(np.median(moves)) / WEEK) if moves else YEAR_DAYS
