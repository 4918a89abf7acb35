"""How far a column has moved from a reference: distances, and what counts as far, given how far quiet data moves.

A reference keeps no rows: of numbers a grid of quantiles, of categories their shares, and of both how many are missing.
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

Measure = Literal["psi", "distance", "missing"]
POINTS = 101
"""Of the grid of quantiles: one for every percent."""

BINS = 10
"""Of the population stability index, with the same share of the reference in each."""

MIN_ROWS = 30
"""Of fewer rows nothing is said: their shares are chance."""

FEW = 3
"""With fewer quiet values than this nothing is known of their spread."""

LEAST: Mapping[Measure, float] = {"psi": 0.05, "distance": 0.1, "missing": 0.02}
"""Up to here nothing is far, however still the quiet data was."""

UNKNOWN: Mapping[Measure, float] = {"psi": 0.25, "distance": 0.5, "missing": 0.1}
"""The limits where no quiet data is known; that of the PSI is the customary one."""


@dataclass(frozen=True)
class Summary:
    """What is kept of a column.

    Attributes:
        rows: how many there were, missing ones included.
        missing: share (0 to 1) of null, NaN or infinity.
        grid: `POINTS` quantiles of the known numbers, ascending; empty for categories and where none is known.
        shares: of the known values by category; empty for numbers.
    """

    rows: float
    missing: float
    grid: Sequence[float] = ()
    shares: Mapping[str, float] = field(default_factory=dict)


class Finding(NamedTuple):
    """A measure's value and the largest one that is still quiet."""

    measure: Measure
    value: float
    threshold: float


@dataclass(frozen=True)
class Column:
    """The reference of a column; plain enough for JSON with `dataclasses.asdict`.

    Attributes:
        summary: of the reference.
        quiet: of each measure its values between the reference and other data of the time of training.
        lags: days between the reference and each of these; 0 where the distance in time does not matter.
    """

    summary: Summary
    quiet: Mapping[str, Sequence[float]]
    lags: Sequence[float]

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> "Column":
        """The column that `asdict` was made of."""
        return cls(Summary(**kept["summary"]), kept["quiet"], kept["lags"])


def summarise(values: pd.Series) -> Summary:
    """Summarise a column of numbers or of categories."""
    if pd.api.types.is_numeric_dtype(values):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        known = numbers[np.isfinite(numbers)]
        grid = np.quantile(known, np.linspace(0, 1, POINTS)).tolist() if len(known) else []
        return Summary(len(values), 1 - len(known) / max(len(values), 1), grid)
    counts = {str(name): float(count) for name, count in values.value_counts().items()}
    return summarise_counts(counts, int(values.isna().sum()))


def summarise_counts(counts: Mapping[str, float], missing: float = 0) -> Summary:
    """Summarise categories that are counted already; of none above 0 nothing is known."""
    known = float(sum(counts.values()))
    shares = {name: count / known for name, count in counts.items() if count > 0}
    return Summary(known + missing, missing / max(known + missing, 1), shares=shares)


def pool(parts: Sequence[Summary]) -> Summary:
    """The summary of all rows together, from summaries of parts of them: their mixture, by rows."""
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
    """How far a column is from its reference.

    Returns:
        psi, the population stability index over tenths of the reference or over categories (Siddiqi, Credit Risk
        Scorecards, 2006), and distance: of numbers the Wasserstein distance in standard deviations of the reference, of
        categories the Jensen-Shannon distance to base 2 (0 to 1). Numbers are held within a standard deviation of
        the reference's percentiles 1 and 99 first: one huge order is no drift. Both only where reference and column
        have something known. missing, always: the change of the missing share.
    """
    found: dict[Measure, float] = {"missing": abs(now.missing - reference.missing)}
    if reference.shares and now.shares:
        names = sorted({*reference.shares, *now.shares})
        before, after = (np.array([side.shares.get(name, 0.0) for name in names]) for side in (reference, now))
        found |= {"psi": _psi(reference, before, now, after), "distance": float(jensenshannon(before, after, base=2))}
    elif reference.grid and now.grid:
        grid = np.asarray(reference.grid)
        scale = _scale(np.clip(grid, grid[1], grid[-2]))
        before, after = (np.clip(side.grid, grid[1] - scale, grid[-2] + scale) for side in (reference, now))
        edges = np.unique(np.quantile(grid, np.linspace(0, 1, BINS + 1)[1:-1]))
        bins = [np.bincount(np.searchsorted(edges, side), minlength=len(edges) + 1) for side in (before, after)]
        found["psi"] = _psi(reference, bins[0] / len(before), now, bins[1] / len(after))
        found["distance"] = float(wasserstein_distance(before, after)) / scale
    return found


def learn(reference: Summary, past: Sequence[Summary], lags: Sequence[float]) -> Column:
    """The reference of a column, with what is normal for it.

    Args:
        reference: what later data is compared with.
        past: the same column in data of the time of training, in which nothing happened.
        lags: days between the reference and each of these; 0 where the distance in time does not matter.
    """
    enough = [(one, lag) for one, lag in zip(past, lags, strict=True) if one.rows >= MIN_ROWS]
    found = [compare(reference, one) for one, _ in enough]
    quiet: dict[str, Sequence[float]] = {measure: [one.get(measure, 0.0) for one in found] for measure in LEAST}
    return Column(reference, quiet, [float(lag) for _, lag in enough])


def check(column: Column, now: Summary, lag: float, spreads: float) -> Iterator[Finding]:
    """Compare a column with its reference; nothing where either has fewer than `MIN_ROWS` rows.

    Totals and tenure grow with the history, so a quiet value counts for more the further the reference lies back: a
    distance is taken to grow in proportion to the days between, the PSI, of second order in a shift, with their square.

    Args:
        column: the reference.
        now: the column today.
        lag: days between the reference and today.
        spreads: standard deviations above the mean of the quiet values that are still normal.
    """
    if min(column.summary.rows, now.rows) < MIN_ROWS:
        return
    for measure, value in compare(column.summary, now).items():
        power = 2 if measure == "psi" else 1
        growth = [max(1.0, lag / past) ** power if past else 1.0 for past in column.lags]
        quiet = [value * factor for value, factor in zip(column.quiet[measure], growth, strict=True)]
        yield Finding(measure, value, _limit(quiet, spreads, measure))


def persistent(violated: Sequence[frozenset[str]], days: int, of_days: int) -> list[str]:
    """The checks that were violated at least `days` times on the last `of_days` days, and on the very last.

    Args:
        violated: the names of the violated checks by day, oldest first.
        days: how often a check must be violated.
        of_days: among how many of the newest days.
    """
    recent = violated[-of_days:]
    return sorted(name for name in (recent[-1] if recent else ()) if sum(name in day for day in recent) >= days)


def _limit(quiet: Sequence[float], spreads: float, measure: Measure) -> float:
    if len(quiet) < FEW:
        return UNKNOWN[measure]
    return max(LEAST[measure], float(np.mean(quiet) + spreads * np.std(quiet, ddof=1)))


def _scale(grid: NDArray[np.float64]) -> float:
    """Standard deviation; of a constant its size, so that a change of it counts in parts of it."""
    deviation, size = float(np.std(grid)), abs(float(grid[0]))
    return deviation if deviation > 1e-9 * max(1.0, size) else max(size, 1.0)


def _psi(reference: Summary, before: NDArray[np.float64], now: Summary, after: NDArray[np.float64]) -> float:
    """Of shares by bin; half a row is added to each, so that an empty bin is finite."""
    sides = ((reference, before), (now, after))
    counts = [share * side.rows * (1 - side.missing) + 0.5 for side, share in sides]
    p, q = (count / count.sum() for count in counts)
    return float(np.sum(rel_entr(p, q) + rel_entr(q, p)))
