"""Detect outlying days, such as a mistyped year, which would otherwise move every snapshot."""

from collections.abc import Mapping
from datetime import date

import numpy as np

from pipelines.lake.tables import UNDATED

NEAR_DAYS = 366
"""Days within this distance of the middle half of all rows are never outlying."""

SPANS = 3
"""Days within this multiple of the middle half's span are never outlying."""

GAP = 31
"""Maximum gap in days in a run that joins the others: most rows of a growing shop are recent, its early days normal."""


def near_days(counts: Mapping[date, int]) -> tuple[date, date] | None:
    """First and last day that are not outlying; None without dated rows.

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
