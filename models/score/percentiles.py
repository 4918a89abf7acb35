"""Rank of a value in a reference population, from a grid of quantiles small enough to ship inside a model."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

POINTS = 1_001
"""Number of quantiles in a grid."""


def quantile_grid(values: ArrayLike) -> NDArray[np.float64]:
    """Compute `POINTS` ascending quantiles of the finite values; empty if there are none.

    >>> quantile_grid([0.0, 10.0, np.nan])[[0, 500, -1]].tolist()
    [0.0, 5.0, 10.0]
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    return np.quantile(known, np.linspace(0, 1, POINTS)) if len(known) else known


def shares(grid: NDArray[np.float64], values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares (0 to 1) of the reference below and above each value; the rest equals it.

    >>> below, above = shares(np.array([1.0, 2.0, 2.0, 3.0]), [2.0])
    >>> below.tolist(), above.tolist()
    ([0.25], [0.25])
    """
    points = max(len(grid), 1)
    below = np.searchsorted(grid, np.asarray(values), side="left") / points
    above = 1 - np.searchsorted(grid, np.asarray(values), side="right") / points
    return below, above
