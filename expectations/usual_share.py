"""Shares of a day, such as ids that were seen before, in proportion to what is usual in this shop."""

import numpy as np
from numpy.typing import NDArray

from expectations.shift import FEW_DAYS, REFERENCE_DAYS

SEEN_DAYS = 90
"""Days before a day in which an id counts as seen."""

EXPECTED = 10.0
"""Minimum number of expected hits; with fewer the share is chance. None of ten has a probability of 1 in 20,000."""


def of_usual(hits: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of hits of each day in proportion to the median share of the days before.

    >>> of_usual(np.array([80.0] * 7 + [2.0]), np.array([100.0] * 8)).round(3).tolist()[-2:]
    [nan, 0.025]

    Args:
        hits: shape (days,); number of hits per day, in order without gaps.
        totals: shape (days,); number of what may be a hit.

    Returns:
        Shape (days,). NaN for a day with fewer than `EXPECTED` expected hits, such as in a shop where nearly every
        customer is new, and with fewer than `FEW_DAYS` of the `REFERENCE_DAYS` days before.
    """
    shares = np.divide(hits, totals, out=np.full(len(hits), np.nan), where=totals > 0)
    result = np.full(len(hits), np.nan)
    for day in range(len(hits)):
        past = shares[max(0, day - REFERENCE_DAYS) : day]
        past = past[~np.isnan(past)]
        if len(past) < FEW_DAYS:
            continue
        usual = float(np.median(past))
        if usual * totals[day] >= EXPECTED:
            result[day] = shares[day] / usual
    return result
