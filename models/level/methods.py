"""Simple forecasts of a shop's total spend: each sees the past days only and says the sum of the coming ones.

All work on whole weeks, counted back from the last day, so that the day of the week cancels out. A level is a
Hodges-Lehmann estimate, the median of all pairwise means: an empty week before New Year, or one order of 444,000, moves
it little. A method that the history is too short for says None.
"""

from collections.abc import Callable

import numpy as np

from models.level.year_ago import YEAR_DAYS
from models.measures.gini import Floats

WEEK = 7
LEVEL_WEEKS = 8
"""Weeks that are averaged to the present level."""

TREND_WEEKS = 26
"""Weeks that a trend is fitted to, at most."""

DAMPING = 0.9
"""Of the trend, a week: forecasting competitions found that undamped trends overshoot (Gardner & McKenzie 1985)."""


def previous_window(daily: Floats, horizon_days: int) -> float | None:
    """As much as in the last horizon, or at the average rate where the history is shorter."""
    window = daily[-horizon_days:]
    return float(window.mean() * horizon_days)


def recent_level(daily: Floats, horizon_days: int) -> float | None:
    """The level of the last `LEVEL_WEEKS` weeks."""
    weeks = weekly(daily)[-LEVEL_WEEKS:]
    return robust_mean(weeks) * horizon_days / WEEK if len(weeks) else None


def damped_trend(daily: Floats, horizon_days: int) -> float | None:
    """The recent level, going on with the median weekly growth of the last `TREND_WEEKS` weeks, which fades out."""
    logs = _log_weeks(daily)[-TREND_WEEKS:]
    if len(logs) < LEVEL_WEEKS:
        return None
    growth = _median_slope(np.arange(len(logs), dtype=np.float64), logs)
    recent = logs[-LEVEL_WEEKS:] + growth * np.arange(LEVEL_WEEKS - 1, -1, -1)  # each as of the last week
    ahead = growth * np.cumsum(DAMPING ** np.arange(1, _weeks_ahead(horizon_days) + 1))
    return _summed(np.log(robust_mean(np.exp(recent))) + ahead, horizon_days)


METHODS: dict[str, Callable[[Floats, int], float | None]] = {
    "previous_window": previous_window,
    "recent_level": recent_level,
    "damped_trend": damped_trend,
}


def season(daily: Floats, horizon_days: int, days_back: int = YEAR_DAYS) -> float:
    """Factor by which the coming horizon will stand out from the weeks before it, as the same weeks of last year did.

    Growth is taken out first, as a line and a logarithm of time: a young shop grows fast, and an older one no more so.
    A departure counts in full where it is large against the median one of the year, and hardly where it is smaller:
    Christmas counts, the noise of an ordinary month does not. 1 without the same weeks of last year and a level before
    them.

    Args:
        daily: spend of each past day.
        horizon_days: length of the coming horizon.
        days_back: to the window of last year like it, in whole weeks; see `models.year_ago`.
    """
    start = len(daily) - days_back
    if horizon_days > days_back or start < LEVEL_WEEKS * WEEK:
        return 1.0
    daily = daily / _growth(daily)
    starts = range(start, len(daily) - horizon_days + 1, WEEK)
    sums = np.array([daily[day : day + horizon_days].sum() for day in starts])
    levels = np.array([robust_mean(weekly(daily[:day])[-LEVEL_WEEKS:]) * horizon_days / WEEK for day in starts])
    if (sums <= 0).any() or (levels <= 0).any():
        return 1.0
    departures = np.log(sums / levels)
    typical, this = float(np.median(departures**2)), float(departures[0])
    return float(np.exp(this**3 / (this**2 + typical))) if this else 1.0


def weekly(daily: Floats) -> Floats:
    """Sums of whole weeks, counted back from the last day, oldest first."""
    whole = len(daily) // WEEK * WEEK
    return np.asarray(daily[len(daily) - whole :].reshape(-1, WEEK).sum(axis=1))


def robust_mean(values: Floats) -> float:
    """The Hodges-Lehmann estimate: the median of the means of all pairs, each value paired with itself too."""
    left, right = np.triu_indices(len(values))
    return float(np.median((values[left] + values[right]) / 2))


def _growth(daily: Floats) -> Floats:
    """Smooth level of each day: least squares of the logarithm of weekly sums on time and its logarithm."""
    logs = _log_weeks(daily)
    middle = len(daily) - WEEK * np.arange(len(logs), 0, -1) + WEEK / 2
    bends = [np.column_stack([np.ones_like(t), t, np.log(t)]) for t in (middle, np.arange(len(daily)) + 0.5)]
    return np.exp(bends[1] @ np.linalg.lstsq(bends[0], logs)[0])


def _log_weeks(daily: Floats) -> Floats:
    """Logarithms of the weekly sums; one of (nearly) nothing counts as a hundredth of the typical."""
    weeks = weekly(daily)
    floor = np.median(np.abs(weeks)) / 100 if len(weeks) else 0.0
    return np.log(np.maximum(weeks, max(floor, 1e-9)))


def _median_slope(x: Floats, y: Floats) -> float:
    """Theil and Sen's: the median of the slopes between all pairs of points."""
    left, right = np.triu_indices(len(x), 1)
    return float(np.median((y[right] - y[left]) / (x[right] - x[left])))


def _weeks_ahead(horizon_days: int) -> int:
    return -(-horizon_days // WEEK)


def _summed(log_weeks: Floats, horizon_days: int) -> float:
    """The sum over the horizon; its last week counts with the days that are in it."""
    days = np.full(len(log_weeks), float(WEEK))
    days[-1] = horizon_days - WEEK * (len(days) - 1)
    return float(np.exp(log_weeks) @ days / WEEK)
