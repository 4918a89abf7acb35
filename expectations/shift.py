"""Distance of a day from the days before: volume and distributions, scaled by what is usual, with robust statistics.

The scale is a median of absolute deviations: one odd day among the days before does not move it, so yesterday's fault
does not hide today's.
"""

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

WEEKS = 8
"""Weeks before a day whose same weekday its volume is compared with."""

FEW_WEEKS = 3
"""Minimum number of such weeks; with fewer the volume has no verdict."""

REFERENCE_DAYS = 28
"""Days before a day that its distribution is compared with."""

FEW_DAYS = 7
"""Minimum number of such days with enough rows."""

MIN_ROWS = 30
"""Minimum number of rows of a day; the distribution of fewer is chance."""

SPREADS = 5.0
"""Usual distance from the median, in spreads."""

LEAST_SHIFT = 0.1
"""Jensen-Shannon distance that is always usual, however little the days before moved."""

BINS = 10
"""Bins of a number, by quantile."""

LEAST_SPREAD = 0.1
"""Minimum spread of a volume, as a share of the median."""


def volume(rows: Mapping[date, int], day: date) -> float:
    """Distance of a day's number of rows from the median of the same weekday in the weeks before, in spreads.

    >>> rows = {date(2024, 1, day): 100 for day in (1, 8, 15, 22)} | {date(2024, 1, 29): 150}
    >>> volume(rows, date(2024, 1, 29))
    5.0

    Args:
        rows: number of rows by day; a missing day counts as 0 rows once the log has begun.
        day: the day to compare.

    Returns:
        Negative for fewer rows than usual; NaN with fewer than `FEW_WEEKS` weeks. The spread is the largest of the
        scaled median absolute deviation, the root of the median (chance of a count) and a tenth of the median.
    """
    begun = min(rows, default=day)
    past = [day - timedelta(weeks=week) for week in range(1, WEEKS + 1)]
    counts = [rows.get(other, 0) for other in past if other >= begun]
    if len(counts) < FEW_WEEKS:
        return float("nan")
    from scipy.stats import median_abs_deviation  # imported late: it takes seconds that reading the rules should not

    median = float(np.median(counts))
    deviation = float(median_abs_deviation(counts, scale="normal"))
    spread = max(deviation, float(np.sqrt(median)), LEAST_SPREAD * median, 1.0)
    return (rows.get(day, 0) - median) / spread


def shift(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each day's distribution from the days before, in multiples of the largest usual distance.

    >>> shift(np.array([[50.0, 50.0]] * 7 + [[90.0, 10.0]])).round(1).tolist()[-2:]
    [nan, 3.8]

    Args:
        counts: shape (days, bins); number of rows per day, in order without gaps, and per bin or category.

    Returns:
        Shape (days,): the Jensen-Shannon distance (base 2; Lin, IEEE Trans. Inf. Theory 37, 1991) to the pooled
        `REFERENCE_DAYS` days before, divided by the largest usual one: the median distance of these days to their pool
        plus `SPREADS` scaled median absolute deviations, at least `LEAST_SHIFT`. NaN with fewer than `MIN_ROWS` rows
        or `FEW_DAYS` days.
    """
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import median_abs_deviation

    result = np.full(len(counts), np.nan)
    enough = counts.sum(axis=1) >= MIN_ROWS
    for day in np.flatnonzero(enough):
        before = slice(max(0, day - REFERENCE_DAYS), day)
        past = counts[before][enough[before]]
        if len(past) < FEW_DAYS:
            continue
        reference = past.sum(axis=0)
        quiet = jensenshannon(past, np.broadcast_to(reference, past.shape), base=2, axis=1)
        usual = np.median(quiet) + SPREADS * median_abs_deviation(quiet, scale="normal")
        result[day] = jensenshannon(counts[day], reference, base=2) / max(float(usual), LEAST_SHIFT)
    return result


def binned(before: pd.Series, now: pd.Series) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Count the rows of two columns per bin: deciles of the first for numbers, otherwise values; the last is missing.

    >>> [counts.tolist() for counts in binned(pd.Series(["a", "b", "b"]), pd.Series(["a", None, "c"]))]
    [[1.0, 2.0, 0.0, 0.0], [1.0, 0.0, 1.0, 1.0]]
    """
    if pd.api.types.is_numeric_dtype(before):
        known = before.dropna().to_numpy(np.float64)
        edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if len(known) else np.array([])
        codes = [np.searchsorted(edges, side.to_numpy(np.float64, na_value=np.nan)) for side in (before, now)]
        size = len(edges) + 1
    else:
        values = pd.Index(pd.concat([before, now]).dropna().unique())
        codes = [values.get_indexer(side) for side in (before, now)]
        size = len(values)
    filled = [np.where(side.isna(), size, code) for side, code in zip((before, now), codes, strict=True)]
    old, new = (np.bincount(code, minlength=size + 1).astype(np.float64) for code in filled)
    return old, new


def shift_between(before: NDArray[np.float64], now: NDArray[np.float64]) -> float:
    """Jensen-Shannon distance of two distributions, in multiples of `LEAST_SHIFT`; NaN with fewer than `MIN_ROWS` rows.

    >>> round(shift_between(np.array([50.0, 50.0]), np.array([90.0, 10.0])), 1)
    3.8

    Args:
        before: shape (bins,); number of rows per bin.
        now: shape (bins,); the same of the other distribution.
    """
    if min(before.sum(), now.sum()) < MIN_ROWS:
        return float("nan")
    from scipy.spatial.distance import jensenshannon

    return float(jensenshannon(before, now, base=2)) / LEAST_SHIFT


def volume_between(before: int, now: int) -> float:
    """Distance of a table's number of rows from the previous delivery, in spreads; NaN without one.

    A spread is `LEAST_SPREAD` of the rows before.

    >>> volume_between(1_000, 1_500)
    5.0
    """
    return (now - before) / max(LEAST_SPREAD * before, 1.0) if before else float("nan")
