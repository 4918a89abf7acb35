"""How far a day is from the days before it, and how far is usual: volume and distributions, with robust statistics.

A single odd day among those before moves neither a median nor a median of deviations, so that yesterday's fault does
not hide today's.
"""

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

WEEKS = 8
"""Of which the same weekday is looked at for the volume of a day."""

FEW_WEEKS = 3
"""With fewer of them nothing is known of what is usual."""

REFERENCE_DAYS = 28
"""Before a day with whose distribution that of the day is compared."""

FEW_DAYS = 7
MIN_ROWS = 30
"""Of fewer rows on a day nothing is said of their distribution: it is chance."""

SPREADS = 5.0
"""So many spreads from the median are still usual."""

LEAST_SHIFT = 0.1
"""Up to this Jensen-Shannon distance nothing is far, however still the days before were."""

BINS = 10

LEAST_SPREAD = 0.1
"""Of a volume, as a part of the median."""


def volume(rows: Mapping[date, int], day: date) -> float:
    """How many spreads the rows of a day are from the median of the same weekday in the weeks before.

    Args:
        rows: by day; a day without rows is not in it, and counts as 0 once the log has begun.
        day: which.

    Returns:
        Below 0 for fewer rows; NaN while too few weeks are known. The spread is the largest of the scaled median
        absolute deviation, what chance makes of a count (its root), and a tenth of the median.
    """
    begun = min(rows, default=day)
    past = [day - timedelta(weeks=week) for week in range(1, WEEKS + 1)]
    counts = [rows.get(one, 0) for one in past if one >= begun]
    if len(counts) < FEW_WEEKS:
        return float("nan")
    from scipy.stats import median_abs_deviation  # seconds, which who only reads the rules need not wait

    median = float(np.median(counts))
    deviation = float(median_abs_deviation(counts, scale="normal"))
    spread = max(deviation, float(np.sqrt(median)), LEAST_SPREAD * median, 1.0)
    return (rows.get(day, 0) - median) / spread


def shift(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the distribution of each day is from that of the days before it, in parts of what is usual.

    Args:
        counts: rows by day (in order, none left out) and by bin or category.

    Returns:
        For each day its Jensen-Shannon distance (base 2; Lin, IEEE Trans. Inf. Theory 37, 1991) to the sum of the days
        before, divided by the largest that is usual: the median of the distances of these days to their sum and
        `SPREADS` scaled median absolute deviations. NaN where too few rows or days are known.
    """
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import median_abs_deviation

    found = np.full(len(counts), np.nan)
    enough = counts.sum(axis=1) >= MIN_ROWS
    for day in np.flatnonzero(enough):
        before = slice(max(0, day - REFERENCE_DAYS), day)
        past = counts[before][enough[before]]
        if len(past) < FEW_DAYS:
            continue
        reference = past.sum(axis=0)
        quiet = jensenshannon(past, np.broadcast_to(reference, past.shape), base=2, axis=1)
        usual = np.median(quiet) + SPREADS * median_abs_deviation(quiet, scale="normal")
        found[day] = jensenshannon(counts[day], reference, base=2) / max(float(usual), LEAST_SHIFT)
    return found


def binned(before: pd.Series, now: pd.Series) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows by bin of two columns: tenths of the first if it holds numbers, otherwise values; the last is missing."""
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
    """The distance of two distributions in parts of `LEAST_SHIFT`, where no other is known; NaN for too few rows."""
    if min(before.sum(), now.sum()) < MIN_ROWS:
        return float("nan")
    from scipy.spatial.distance import jensenshannon

    return float(jensenshannon(before, now, base=2)) / LEAST_SHIFT


def volume_between(before: int, now: int) -> float:
    """How many spreads a table that is delivered whole is from the delivery before; NaN if there was none."""
    return (now - before) / max(LEAST_SPREAD * before, 1.0) if before else float("nan")
