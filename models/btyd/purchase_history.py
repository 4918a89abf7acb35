"""Input of buy-till-you-die models: frequency, recency and T of each customer."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.encoding import select

Floats = NDArray[np.float64]

BATCH = 20_000
"""Customers whose integrals are computed at once; bounds the memory of a prediction."""


class PurchaseHistory(NamedTuple):
    """Customers' histories in the terms of Fader, Hardie & Lee (2005): three arrays of shape (customers,).

    Attributes:
        frequency: repeat purchase days, x; at least 0.
        recency: days from the first to the last purchase, t_x; 0 to T, and 0 without a repeat purchase.
        T: days from the first purchase to the snapshot; at least 0.

    >>> PurchaseHistory(np.array([2.0]), np.array([30.0]), np.array([38.0])).T.tolist()
    [38.0]
    """

    frequency: Floats
    recency: Floats
    T: Floats


def by_distinct(function: Callable[..., Floats], *columns: Floats | float) -> Floats:
    """Evaluate a function once per distinct customer, in batches; shape (customers,).

    Args:
        function: takes one argument per column and returns one number per customer.
        columns: arrays of shape (customers,), or numbers, which are passed on unchanged.

    >>> by_distinct(lambda scale, x: scale * x, 10.0, np.array([1.0, 2.0, 1.0])).tolist()
    [10.0, 20.0, 10.0]
    """
    rows = pd.DataFrame({at: column for at, column in enumerate(columns) if np.ndim(column)})
    kind = rows.groupby(list(rows), sort=False).ngroup().to_numpy()
    distinct = rows.drop_duplicates().to_numpy(dtype=np.float64).T
    results = np.empty(distinct.shape[1])
    for first in range(0, len(results), BATCH):
        batch = dict(zip(rows, distinct[:, first : first + BATCH], strict=True))
        results[first : first + BATCH] = function(*(batch.get(at, column) for at, column in enumerate(columns)))
    return results[kind]


def purchase_history(features: pd.DataFrame) -> PurchaseHistory:
    """Read histories from features, in days; clip impossible values to the nearest possible ones.

    Raises:
        ValueError: frequency, recency or T is missing.

    >>> features = pd.DataFrame({"frequency": [2.0, np.nan], "recency": [90.0, 5.0], "T": [30.0, 10.0]})
    >>> purchase_history(features).recency.tolist()
    [30.0, 0.0]
    """
    columns = select(features, ["frequency", "recency", "T"]).to_numpy(dtype=np.float64).T
    frequency, recency, tenure = np.clip(np.nan_to_num(columns), 0.0, 1e9)
    return PurchaseHistory(frequency, np.where(frequency > 0, np.minimum(recency, tenure), 0.0), tenure)
