"""Simple forecasts of a shop's total spend: each maps past daily spend to the sum over the coming days.

All work on whole weeks, counted back from the last day, so that weekdays cancel out. A level is a Hodges-Lehmann
estimate, the median of all pairwise means: an empty week before New Year, or one order of 444,000, changes it little. A
method returns None if the history is too short for it.
"""

from collections.abc import Callable

import numpy as np

from models.level.year_ago import YEAR_DAYS
from models.measures.gini import Floats

WEEK = 7
LEVEL_WEEKS = 8
"""Weeks averaged to the current level."""

TREND_WEEKS = 26
"""Maximum weeks that a trend is fitted to."""

DAMPING = 0.9
"""Weekly damping of the trend: in forecasting competitions undamped trends overshoot (Gardner & McKenzie 1985)."""


def previous_window(daily: Floats, horizon_days: int) -> float | None:
    """Repeat the last horizon, or the average rate if the history is shorter.

    >>> previous_window(np.array([1.0, 2.0, 3.0]), horizon_days=2)
    5.0
    """
    window = daily[-horizon_days:]
    return float(window.mean() * horizon_days)


def recent_level(daily: Floats, horizon_days: int) -> float | None:
    """Continue the level of the last `LEVEL_WEEKS` weeks.

    >>> recent_level(np.full(28, 2.0), horizon_days=14)
    28.0
    """
    weeks = weekly(daily)[-LEVEL_WEEKS:]
    return robust_mean(weeks) * horizon_days / WEEK if len(weeks) else None


def damped_trend(daily: Floats, horizon_days: int) -> float | None:
    """Continue the recent level with the median weekly growth of the last `TREND_WEEKS` weeks, damped.

    >>> round(damped_trend(np.full(70, 2.0), horizon_days=14), 6)
    28.0
    """
    logs = _log_weeks(daily)[-TREND_WEEKS:]
    if len(logs) < LEVEL_WEEKS:
        return None
    growth = _median_slope(np.arange(len(logs), dtype=np.float64), logs)
    recent = logs[-LEVEL_WEEKS:] + growth * np.arange(LEVEL_WEEKS - 1, -1, -1)  # extrapolated to the last week
    ahead = growth * np.cumsum(DAMPING ** np.arange(1, _weeks_ahead(horizon_days) + 1))
    return _summed(np.log(robust_mean(np.exp(recent))) + ahead, horizon_days)


METHODS: dict[str, Callable[[Floats, int], float | None]] = {
    "previous_window": previous_window,
    "recent_level": recent_level,
    "damped_trend": damped_trend,
}
"""Forecast methods by name."""


def season(daily: Floats, horizon_days: int, days_back: int = YEAR_DAYS) -> float:
    """Factor by which the coming horizon will differ from the weeks before it, as the same weeks of last year did.

    Growth is removed first, as a line and a logarithm of time: young shops grow fast, older ones slower. A deviation
    counts fully if it is large against the year's median deviation, and hardly if it is smaller: Christmas counts,
    ordinary noise does not. The factor is 1 without last year's weeks and a level before them.

    Args:
        daily: spend of each past day.
        horizon_days: length of the coming horizon.
        days_back: days to last year's matching window, in whole weeks; see `models.level.year_ago`.

    >>> season(np.full(100, 2.0), horizon_days=28)
    1.0
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
    """Sum whole weeks, counted back from the last day, oldest first.

    >>> weekly(np.arange(15.0)).tolist()
    [28.0, 77.0]
    """
    whole = len(daily) // WEEK * WEEK
    return np.asarray(daily[len(daily) - whole :].reshape(-1, WEEK).sum(axis=1))


def robust_mean(values: Floats) -> float:
    """Hodges-Lehmann estimate: the median of the means of all pairs, including each value with itself.

    >>> robust_mean(np.array([1.0, 2.0, 3.0, 1_000.0]))
    2.75
    """
    left, right = np.triu_indices(len(values))
    return float(np.median((values[left] + values[right]) / 2))


def _growth(daily: Floats) -> Floats:
    """Smooth level of each day: least squares of log weekly sums on time and its logarithm."""
    logs = _log_weeks(daily)
    middle = len(daily) - WEEK * np.arange(len(logs), 0, -1) + WEEK / 2
    bends = [np.column_stack([np.ones_like(t), t, np.log(t)]) for t in (middle, np.arange(len(daily)) + 0.5)]
    return np.exp(bends[1] @ np.linalg.lstsq(bends[0], logs)[0])


def _log_weeks(daily: Floats) -> Floats:
    """Logarithms of the weekly sums, floored at a hundredth of the median."""
    weeks = weekly(daily)
    floor = np.median(np.abs(weeks)) / 100 if len(weeks) else 0.0
    return np.log(np.maximum(weeks, max(floor, 1e-9)))


def _median_slope(x: Floats, y: Floats) -> float:
    """Theil-Sen estimate: the median of the slopes between all pairs of points."""
    left, right = np.triu_indices(len(x), 1)
    return float(np.median((y[right] - y[left]) / (x[right] - x[left])))


def _weeks_ahead(horizon_days: int) -> int:
    return -(-horizon_days // WEEK)


def _summed(log_weeks: Floats, horizon_days: int) -> float:
    """Sum over the horizon; the last week counts only its days inside it."""
    days = np.full(len(log_weeks), float(WEEK))
    days[-1] = horizon_days - WEEK * (len(days) - 1)
    return float(np.exp(log_weeks) @ days / WEEK)
