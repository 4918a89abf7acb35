"""What buy-till-you-die models are fitted to: frequency, recency and T of each customer."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.encoding import select

Floats = NDArray[np.float64]

BATCH = 20_000
"""Customers whose integrals are taken at once; the memory that a prediction takes is bounded."""


class PurchaseHistory(NamedTuple):
    """Customers' histories, in the terms of Fader, Hardie & Lee (2005); three arrays of shape (customers,).

    Attributes:
        frequency: repeat purchase days, x; at least 0.
        recency: days from the first to the last purchase, t_x; 0 to T, and 0 without a repeat purchase.
        T: days from the first purchase to the snapshot; at least 0.
    """

    frequency: Floats
    recency: Floats
    T: Floats


def by_distinct(function: Callable[..., Floats], *columns: Floats | float) -> Floats:
    """What a function says of each customer, asked once for all who are alike, in batches.

    Args:
        function: takes as many arguments as there are columns and returns a number per customer.
        columns: of shape (customers,), or a number that holds for all and is handed on as it is.
    """
    rows = pd.DataFrame({at: column for at, column in enumerate(columns) if np.ndim(column)})
    kind = rows.groupby(list(rows), sort=False).ngroup().to_numpy()
    distinct = rows.drop_duplicates().to_numpy(dtype=np.float64).T
    answers = np.empty(distinct.shape[1])
    for first in range(0, len(answers), BATCH):
        batch = dict(zip(rows, distinct[:, first : first + BATCH], strict=True))
        answers[first : first + BATCH] = function(*(batch.get(at, column) for at, column in enumerate(columns)))
    return answers[kind]


def purchase_history(features: pd.DataFrame) -> PurchaseHistory:
    """Read the histories of users from their features, in days; what cannot be is held at the nearest that can."""
    columns = select(features, ["frequency", "recency", "T"]).to_numpy(dtype=np.float64).T
    frequency, recency, tenure = np.clip(np.nan_to_num(columns), 0.0, 1e9)
    return PurchaseHistory(frequency, np.where(frequency > 0, np.minimum(recency, tenure), 0.0), tenure)
