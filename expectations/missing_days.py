"""Tell a missing day of a log from a day on which nothing happened, by what is usual on its weekday."""

from collections.abc import Collection, Iterator, Mapping
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from expectations.shift import FEW_WEEKS, LEAST_SPREAD, WEEKS

SURE = 3.5
"""Distance of an empty run from its usual rows, in spreads, from which it is missing and not chance."""

WEEK = 7

NEAR = 28
"""Days on each side that a run of a week or more is compared with if too few weeks are loaded."""


def missing_days(rows: Mapping[date, int], closed: Collection[date] = ()) -> list[date]:
    """Days between the first and the last day with rows that have none, although they usually would.

    A run of empty days is compared as a whole: one empty day tells nothing in a small shop, two empty weeks do. The
    usual number of rows of a day is the median of its weekday in the 8 weeks on each side of the run, without weeks
    that have no rows at all; so Sundays of a shop that is closed on Sundays are not missing.

    >>> rows = {date(2024, 1, 1) + timedelta(days=n): 40 for n in range(60) if n % 7 != 6 and n != 30}
    >>> missing_days(rows)
    [datetime.date(2024, 1, 31)]

    Args:
        rows: number of rows by day.
        closed: days that are not missing.
    """
    days = sorted(day for day, count in rows.items() if count)
    if not days:
        return []
    span = [days[0] + timedelta(days=n) for n in range((days[-1] - days[0]).days + 1)]
    counts = np.array([rows.get(day, 0) for day in span], dtype=np.float64)
    loaded = np.convolve(counts > 0, np.ones(WEEK), mode="full")[WEEK // 2 :][: len(counts)] > 0
    found: list[date] = []
    for start, end in _empty_runs(counts):
        medians, spreads = _usual(counts, loaded, start, end)
        places = [p for p in range(start, end) if span[p] not in closed and medians[p % WEEK] > 0]
        weekdays = np.array(places, dtype=np.int64) % WEEK
        if places and medians[weekdays].sum() >= SURE * np.sqrt((spreads[weekdays] ** 2).sum()):
            found += [span[place] for place in places]
    return found


def _empty_runs(counts: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """First and exclusive last place of each run without rows."""
    edges = np.flatnonzero(np.diff(np.r_[False, counts == 0, False].astype(np.int8)))
    return zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _usual(
    counts: NDArray[np.float64], loaded: NDArray[np.bool_], start: int, end: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median rows by weekday around a run, and their spreads, shape (7,); a median of 0 where too little is known.

    The spread is that of a count whose dispersion all weekdays share: an order has several rows, so rows are more
    dispersed than the Poisson distribution.
    """
    medians, residuals = np.zeros(WEEK), []
    for weekday in range(WEEK):
        places = np.arange(weekday, len(counts), WEEK)
        places = places[loaded[places]]
        others = counts[np.r_[places[places < start][-WEEKS:], places[places >= end][:WEEKS]]]
        if len(others) < FEW_WEEKS and end - start >= WEEK:
            near = np.r_[counts[max(start - NEAR, 0) : start], counts[end : end + NEAR]]
            others = near if len(near) >= WEEK else others
        if len(others) >= FEW_WEEKS and (median := float(np.median(others))) > 0:
            medians[weekday] = median
            residuals.append((others - median) / np.sqrt(median))
    scale = 1.4826 * float(np.median(np.abs(np.concatenate(residuals)))) if residuals else 1.0
    spreads = np.maximum(max(scale, 1.0) * np.sqrt(medians), LEAST_SPREAD * medians)
    return medians, np.maximum(spreads, 1.0)
