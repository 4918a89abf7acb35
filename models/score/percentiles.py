"""Rank of a value in a reference population, from a grid of quantiles small enough to ship inside a model."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.predictions import HIGH, LOW, MID

POINTS = 1_001
"""Number of quantiles in a grid."""

TIE = 1e-6
"""Relative difference up to which a value equals a quantile: live and batch scores agree to this."""


def quantile_grid(values: ArrayLike) -> NDArray[np.float64]:
    """Compute `POINTS` ascending quantiles of the finite values; empty if there are none.

    >>> quantile_grid([0.0, 10.0, np.nan])[[0, 500, -1]].tolist()
    [0.0, 5.0, 10.0]
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    return np.quantile(known, np.linspace(0, 1, POINTS)) if len(known) else known


def shares(grid: NDArray[np.float64], values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares (0 to 1) of the reference below and above each value; the rest equals it to within `TIE`.

    Without the tolerance the last bit of a sum, which depends on how many rows are computed together, would move a user
    by half a step of the grid.

    >>> below, above = shares(np.array([1.0, 2.0, 2.0, 3.0]), [2.0])
    >>> below.tolist(), above.tolist()
    ([0.25], [0.25])
    """
    points = max(len(grid), 1)
    found = np.asarray(values, dtype=np.float64)
    slack = TIE * np.abs(found)
    below = np.searchsorted(grid, found - slack, side="left") / points
    above = 1 - np.searchsorted(grid, found + slack, side="right") / points
    return below, above


def percentile_score(reference: NDArray[np.float64], expected_spend: NDArray[np.float64]) -> NDArray[np.float64]:
    """Percentile (0 to 100) of each value in the reference; tied users get the middle of their range.

    >>> percentile_score(np.array([10.0, 20.0, 20.0, 30.0]), np.array([5.0, 20.0, 40.0])).tolist()
    [0.0, 50.0, 100.0]
    """
    below, above = shares(reference, expected_spend)
    return 50 * (1 + below - above)


def tiers(score: NDArray[np.float64], tier_shares: Mapping[str, float]) -> NDArray[np.str_]:
    """Tier of each score: `high` for the top share, then `mid`, then `low`.

    >>> tiers(np.array([95.0, 60.0, 10.0]), {"high": 0.2, "mid": 0.3}).tolist()
    ['high', 'mid', 'low']
    """
    high = 100 * (1 - tier_shares[HIGH])
    mid = high - 100 * tier_shares[MID]
    return np.where(score >= high, HIGH, np.where(score >= mid, MID, LOW))
