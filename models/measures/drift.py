"""Drift of a column against a reference: distance measures, and thresholds learned from undisturbed data.

A reference stores no rows: a grid of quantiles for numbers, shares for categories, and the missing share for both.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr
from scipy.stats import wasserstein_distance

Measure = Literal["psi", "distance", "missing", "fall"]
POINTS = 101
"""Number of quantiles in a grid, one per percent."""

BINS = 10
"""Bins of the population stability index, each with the same share of the reference."""

MIN_ROWS = 30
"""Minimum rows for a comparison; shares of fewer rows are chance."""

FEW = 3
"""Minimum undisturbed values to estimate a spread from."""

LEAST: Mapping[Measure, float] = {"psi": 0.05, "distance": 0.1, "missing": 0.02}
"""Lower bounds of the thresholds, for columns that hardly vary undisturbed."""

UNKNOWN: Mapping[Measure, float] = {"psi": 0.25, "distance": 0.5, "missing": 0.1}
"""Thresholds without enough undisturbed data; the PSI's is the customary one."""


@dataclass(frozen=True)
class Summary:
    """Summary of a column.

    Attributes:
        rows: number of rows, missing ones included.
        missing: share (0 to 1) of null, NaN or infinity.
        grid: `POINTS` ascending quantiles of the finite numbers; empty for categories and without finite numbers.
        shares: share of each category in the known values; empty for numbers.
    """

    rows: float
    missing: float
    grid: Sequence[float] = ()
    shares: Mapping[str, float] = field(default_factory=dict)


class Finding(NamedTuple):
    """A measure's value, and the threshold above which it is drift."""

    measure: Measure
    value: float
    threshold: float


@dataclass(frozen=True)
class Column:
    """Reference of a column; plain enough for JSON by `dataclasses.asdict`.

    Attributes:
        summary: summary of the reference.
        quiet: values of each measure between the reference and other, undisturbed data from the time of training.
        lags: days between the reference and each of those; 0 where the distance in time does not matter.
    """

    summary: Summary
    quiet: Mapping[str, Sequence[float]]
    lags: Sequence[float]

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Column":
        """Restore a column from the output of `asdict`."""
        return cls(Summary(**stored["summary"]), stored["quiet"], stored["lags"])


def summarise(values: pd.Series) -> Summary:
    """Summarise a column of numbers or categories.

    >>> summary = summarise(pd.Series([0.0, 10.0, np.nan, np.inf]))
    >>> summary.rows, summary.missing, summary.grid[50]
    (4, 0.5, 5.0)
    """
    if pd.api.types.is_numeric_dtype(values):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        known = numbers[np.isfinite(numbers)]
        grid = np.quantile(known, np.linspace(0, 1, POINTS)).tolist() if len(known) else []
        return Summary(len(values), 1 - len(known) / max(len(values), 1), grid)
    counts = {str(name): float(count) for name, count in values.value_counts().items()}
    return summarise_counts(counts, int(values.isna().sum()))


def summarise_counts(counts: Mapping[str, float], missing: float = 0) -> Summary:
    """Summarise categories from their counts; without positive counts no share is known.

    >>> summarise_counts({"north": 3, "south": 1}, missing=1)
    Summary(rows=5.0, missing=0.2, grid=(), shares={'north': 0.75, 'south': 0.25})
    """
    known = float(sum(counts.values()))
    shares = {name: count / known for name, count in counts.items() if count > 0}
    return Summary(known + missing, missing / max(known + missing, 1), shares=shares)


def pool(parts: Sequence[Summary]) -> Summary:
    """Summarise the rows of several parts together, from the parts' summaries weighted by rows.

    >>> pool([summarise_counts({"north": 1}), summarise_counts({"south": 3})]).shares
    {'north': 0.25, 'south': 0.75}
    """
    rows = np.array([part.rows for part in parts], dtype=float)
    known = [part for part in parts if part.grid or part.shares]
    weights = np.array([part.rows * (1 - part.missing) for part in known])
    missing = float(np.average([part.missing for part in parts], weights=rows)) if rows.sum() else 0.0
    if not known:
        return Summary(float(rows.sum()), missing)
    if known[0].grid:
        grids, each = np.concatenate([part.grid for part in known]), np.repeat(weights, POINTS)
        grid = np.quantile(grids, np.linspace(0, 1, POINTS), weights=each, method="inverted_cdf").tolist()
        return Summary(float(rows.sum()), missing, grid)
    names = sorted({name for part in known for name in part.shares})
    table = [[part.shares.get(name, 0.0) for name in names] for part in known]
    shares = dict(zip(names, np.average(table, axis=0, weights=weights).tolist(), strict=True))
    return Summary(float(rows.sum()), missing, shares=shares)


def compare(reference: Summary, now: Summary) -> dict[Measure, float]:
    """Measure the distance of a column from its reference.

    Returns:
        psi: population stability index over tenths of the reference or over categories (Siddiqi, Credit Risk
            Scorecards, 2006). distance: for numbers the Wasserstein distance in standard deviations of the reference,
            for categories the Jensen-Shannon distance to base 2 (0 to 1). Numbers are first clipped to one standard
            deviation beyond the reference's percentiles 1 and 99, so that a single huge order is no drift. Both are
            absent unless reference and column have known values. missing: absolute change of the missing share; always
            present.

    >>> round(compare(summarise_counts({"a": 500, "b": 500}), summarise_counts({"a": 900, "b": 100}))["psi"], 2)
    0.88
    """
    distances: dict[Measure, float] = {"missing": abs(now.missing - reference.missing)}
    if reference.shares and now.shares:
        names = sorted({*reference.shares, *now.shares})
        before, after = (np.array([side.shares.get(name, 0.0) for name in names]) for side in (reference, now))
        distances |= {
            "psi": _psi(reference, before, now, after),
            "distance": float(jensenshannon(before, after, base=2)),
        }
    elif reference.grid and now.grid:
        grid = np.asarray(reference.grid)
        scale = _scale(np.clip(grid, grid[1], grid[-2]))
        before, after = (np.clip(side.grid, grid[1] - scale, grid[-2] + scale) for side in (reference, now))
        edges = np.unique(np.quantile(grid, np.linspace(0, 1, BINS + 1)[1:-1]))
        bins = [np.bincount(np.searchsorted(edges, side), minlength=len(edges) + 1) for side in (before, after)]
        distances["psi"] = _psi(reference, bins[0] / len(before), now, bins[1] / len(after))
        distances["distance"] = float(wasserstein_distance(before, after)) / scale
    return distances


def learn(reference: Summary, past: Sequence[Summary], lags: Sequence[float]) -> Column:
    """Learn the reference of a column and its undisturbed variation.

    Args:
        reference: data that later data is compared with.
        past: the same column in other, undisturbed data from the time of training.
        lags: days between the reference and each of these; 0 where the distance in time does not matter.

    >>> quiet = [summarise_counts({"a": 50 + shift, "b": 50 - shift}) for shift in (1, 2, 3)]
    >>> learn(summarise_counts({"a": 50, "b": 50}), quiet, lags=[0, 0, 0]).quiet["missing"]
    [0.0, 0.0, 0.0]
    """
    enough = [(summary, lag) for summary, lag in zip(past, lags, strict=True) if summary.rows >= MIN_ROWS]
    distances = [compare(reference, summary) for summary, _ in enough]
    quiet: dict[str, Sequence[float]] = {
        measure: [values.get(measure, 0.0) for values in distances] for measure in LEAST
    }
    return Column(reference, quiet, [float(lag) for _, lag in enough])


def check(column: Column, now: Summary, lag: float, spreads: float) -> Iterator[Finding]:
    """Compare a column with its reference; yield nothing if either has fewer than `MIN_ROWS` rows.

    Totals and tenure grow with the history, so undisturbed values are scaled up with the age of the reference:
    distances in proportion to the days, the PSI, which is of second order in a shift, with their square.

    Args:
        column: the reference.
        now: today's summary.
        lag: days between the reference and today.
        spreads: drift threshold, in standard deviations above the mean of the undisturbed values.

    >>> column = learn(summarise_counts({"a": 50, "b": 50}), [], lags=[])
    >>> [finding.value > finding.threshold for finding in check(column, summarise_counts({"a": 99, "b": 1}), 0, 5.0)]
    [False, True, True]
    """
    if min(column.summary.rows, now.rows) < MIN_ROWS:
        return
    for measure, value in compare(column.summary, now).items():
        power = 2 if measure == "psi" else 1
        growth = [max(1.0, lag / past) ** power if past else 1.0 for past in column.lags]
        quiet = [value * factor for value, factor in zip(column.quiet[measure], growth, strict=True)]
        yield Finding(measure, value, _limit(quiet, spreads, measure))


def persistent(violated: Sequence[frozenset[str]], days: int, of_days: int) -> list[str]:
    """Names of checks violated on the newest day and on at least `days` of the last `of_days` days.

    Args:
        violated: names of the violated checks by day, oldest first.
        days: minimum number of violated days.
        of_days: number of newest days to look at.

    >>> persistent([frozenset({"a"}), frozenset(), frozenset({"a", "b"})], days=2, of_days=3)
    ['a']
    """
    recent = violated[-of_days:]
    return sorted(name for name in (recent[-1] if recent else ()) if sum(name in day for day in recent) >= days)


def _limit(quiet: Sequence[float], spreads: float, measure: Measure) -> float:
    if len(quiet) < FEW:
        return UNKNOWN[measure]
    return max(LEAST[measure], float(np.mean(quiet) + spreads * np.std(quiet, ddof=1)))


def _scale(grid: NDArray[np.float64]) -> float:
    """Standard deviation; for a constant its absolute value, so that changes are relative to it."""
    deviation, size = float(np.std(grid)), abs(float(grid[0]))
    return deviation if deviation > 1e-9 * max(1.0, size) else max(size, 1.0)


def _psi(reference: Summary, before: NDArray[np.float64], now: Summary, after: NDArray[np.float64]) -> float:
    """PSI of shares by bin, with half a row added to each bin so that empty bins stay finite."""
    sides = ((reference, before), (now, after))
    counts = [share * side.rows * (1 - side.missing) + 0.5 for side, share in sides]
    p, q = (count / count.sum() for count in counts)
    return float(np.sum(rel_entr(p, q) + rel_entr(q, p)))
