"""Which window of last year the coming one is compared with: the one with the same holidays, which move."""

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np

WEEK = 7
YEAR_DAYS = 364
"""A year of whole weeks, so that the same days of the week are compared."""

MOVES_DAYS = 40
"""A holiday of a moon calendar is at most so much earlier or later in the calendar of the sun than a year ago."""

FIXED_DAYS = (365, 366)


def days_to_last_year(start: date, horizon_days: int, holidays: Mapping[date, str]) -> int:
    """Days back, in whole weeks, from the window `[start, start + horizon_days)` to the one of last year like it.

    Holidays of the window are looked for a year before by their name. Where some moved, as Easter and New Year by the
    moon do, it is the median of their moves; otherwise `YEAR_DAYS`.

    Args:
        start: first day of the window.
        horizon_days: its length.
        holidays: names by day, of both years; a name may have several days in a row.
    """
    moves = []
    for day, name in holidays.items():
        if start <= day < start + timedelta(days=horizon_days):
            back = [(day - other).days for other, same in holidays.items() if same == name and other < day]
            moves += [days for days in back if abs(days - YEAR_DAYS) <= MOVES_DAYS and days not in FIXED_DAYS]
    return WEEK * round(float(np.median(moves)) / WEEK) if moves else YEAR_DAYS
