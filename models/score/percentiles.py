"""Where a value stands in a reference population, from a grid of quantiles small enough to ship inside a model."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

POINTS = 1_001


def quantile_grid(values: ArrayLike) -> NDArray[np.float64]:
    """`POINTS` quantiles of the known values, ascending; empty if none is known."""
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    return np.quantile(known, np.linspace(0, 1, POINTS)) if len(known) else known


def shares(grid: NDArray[np.float64], values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares (0 to 1) of the reference that lie below and above each value; the rest is equal to it."""
    points = max(len(grid), 1)
    below = np.searchsorted(grid, np.asarray(values), side="left") / points
    above = 1 - np.searchsorted(grid, np.asarray(values), side="right") / points
    return below, above
