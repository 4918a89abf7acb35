"""What the passage of days explains: the slow movement of a check, and counts of users by weekday."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np

from models.measures.drift import MIN_ROWS, Finding

TREND_DAYS = 28
"""Nights before from which the slow movement of a check is extrapolated."""

TREND_LEAST = 7
"""Minimum nights to extrapolate from."""

WEEKS = 4
"""Weeks whose same weekday a day's count is compared with."""

FALL, FALL_ERRORS = 0.1, 1.5
"""Smallest fall of a count that is drift, as a difference of logarithms, and its allowance in standard errors."""


def trend_limit(days: Sequence[float], values: Sequence[float], day: float, spreads: float) -> float:
    """Largest value that the slow movement of earlier nights explains; -infinity with fewer than `TREND_LEAST`.

    A population ages and a history fills from day to day: what moves on as it did is no drift, a jump is.

    Args:
        days: numbers of earlier nights.
        values: the check's value on each.
        day: number of tonight.
        spreads: standard deviations of the earlier nights about their line that are still normal.

    >>> round(trend_limit(range(10), [0.01 * day for day in range(10)], 12, spreads=5.0), 3)
    0.12
    """
    if len(values) < TREND_LEAST:
        return -np.inf
    slope, start = np.polyfit(days, values, 1)
    spread = np.std(np.asarray(values) - (start + slope * np.asarray(days)), ddof=2)
    return float(start + slope * day + spreads * spread)


def find_fall(counts: Mapping[date, int], day: date) -> Finding | None:
    """Compare a day's count with the lowest of the same weekday in the `WEEKS` weeks before.

    Campaigns and growth only raise counts, so that the lowest is robust; a day of rest is compared with days of rest.

    Returns:
        The fall as a difference of logarithms; None if the lowest is below `MIN_ROWS`, or the weeks are not all known.

    >>> counts = {date(2024, 1, day): 1000 for day in range(1, 29)} | {date(2024, 1, 29): 700}
    >>> find_fall(counts, date(2024, 1, 29)).value > find_fall(counts, date(2024, 1, 29)).threshold
    True
    """
    before = [counts.get(day - timedelta(days=7 * week), 0) for week in range(1, WEEKS + 1)]
    lowest = min(before)
    if lowest < MIN_ROWS:
        return None
    fall = max(0.0, float(np.log((lowest + 0.5) / (counts.get(day, 0) + 0.5))))
    return Finding("fall", fall, FALL + FALL_ERRORS / float(np.sqrt(lowest)))
