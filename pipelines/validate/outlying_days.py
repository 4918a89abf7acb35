"""Which days are far from all others: a slip of the year, which would otherwise move every snapshot."""

from collections.abc import Mapping
from datetime import date

import numpy as np

from pipelines.lake.tables import UNDATED

NEAR_DAYS = 366
"""Days so near to the middle half of all rows are never far."""

SPANS = 3
"""Nor are those within so many times the span of that half."""

GAP = 31
"""Nor those that lead up to them, or go on, without so long a gap: of a shop that grows, most rows are recent."""


def near_days(counts: Mapping[date, int]) -> tuple[date, date] | None:
    """The first and the last day that are not far from where most rows are; None without a row with a day.

    Args:
        counts: rows by day.
    """
    dated = sorted((day.toordinal(), rows) for day, rows in counts.items() if day != UNDATED and rows)
    if not dated:
        return None
    days, weights = (np.array(side, dtype=float) for side in zip(*dated, strict=True))
    low, high = np.quantile(days, (0.25, 0.75), weights=weights, method="inverted_cdf")
    reach = max(SPANS * (high - low), NEAR_DAYS)
    gaps = np.flatnonzero(np.diff(days) > GAP)
    begins, ends = days[np.r_[0, gaps + 1]], days[np.r_[gaps, len(days) - 1]]
    touching = (ends >= low - reach) & (begins <= high + reach)
    first = max(min(low - reach, begins[touching].min()), 1)
    last = min(max(high + reach, ends[touching].max()), date.max.toordinal() - 1)
    return date.fromordinal(int(first)), date.fromordinal(int(last))
