"""Detect outlying days, such as a mistyped year, which would otherwise move every snapshot."""

from collections.abc import Mapping
from datetime import date

import numpy as np
from numpy.typing import NDArray

from pipelines.lake.tables import UNDATED

NEAR_DAYS = 366
"""Days within this distance of the middle half of all rows are never outlying."""

SPANS = 3
"""Days within this multiple of the middle half's span are never outlying."""

GAP = 31
"""Maximum gap in days in a run that joins the others: most rows of a growing shop are recent, its early days normal."""

PLAUSIBLE = date(1990, 1, 1), date(2100, 1, 1)
"""Days outside are outlying wherever some day is inside: two-digit years would stretch the span over millennia."""

AHEAD_GAP, USUAL_GAPS = 7, 3
"""A gap before the newest rows is long if it exceeds AHEAD_GAP days and USUAL_GAPS times the longest usual gap."""

AHEAD_ROWS, AHEAD_SHARE = 3, 0.5
"""Rows after a long gap are ahead of the others if they are fewer than AHEAD_ROWS, or than this share of a day."""

THIN = 0.2
"""They are also ahead if a day has fewer rows than this share of a usual day."""


def near_days(counts: Mapping[date, int], today: date | None = None) -> tuple[date, date] | None:
    """First and last day that are not outlying; None without dated rows.

    The last day follows the bulk of the rows: a few rows after a long gap are ahead of the others, however near they
    are, because the newest row says which day it is.

    Args:
        counts: rows by day.
        today: the shop's current day; later days are outlying. None: the shop has no clock.
    """
    dated = sorted((day.toordinal(), rows) for day, rows in counts.items() if day != UNDATED and rows)
    inside = [(day, rows) for day, rows in dated if PLAUSIBLE[0].toordinal() <= day <= PLAUSIBLE[1].toordinal()]
    dated = inside or dated
    dated = [(day, rows) for day, rows in dated if today is None or day <= today.toordinal()] or dated
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
    inside_reach = (days >= first) & (days <= last)
    last = _end_of_bulk(days[inside_reach], weights[inside_reach], last)
    if today is not None:
        last = max(min(last, today.toordinal()), days[0])
    return date.fromordinal(int(first)), date.fromordinal(int(last))


def _end_of_bulk(days: NDArray[np.float64], rows: NDArray[np.float64], last: float) -> float:
    """Last day of the bulk of the rows; `last` if no row is ahead of it."""
    while len(days) > 1:
        gaps = np.diff(days)
        long = gaps > max(AHEAD_GAP, USUAL_GAPS * float(np.quantile(gaps, 0.98, method="inverted_cdf")))
        if not long.any():
            break
        start = int(np.flatnonzero(long)[-1]) + 1
        ahead, usual = rows[start:], float(np.median(rows[:start]))
        few = ahead.sum() < max(AHEAD_ROWS, AHEAD_SHARE * usual) or np.median(ahead) < THIN * usual
        if not few or ahead.sum() >= rows[:start].sum():
            break
        days, rows, last = days[:start], rows[:start], days[start - 1]
    return last
