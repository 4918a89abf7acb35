"""Training targets of the models, and the format of their predictions."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from models.protocol import LabelledUsers

WINSORISED_AT = 0.99
"""Quantile of the buyers' spend at which training targets are clipped. One order of 444,000 in a shop whose buyers
spend 1,500 a month would bend every squared or multiplicative error towards one user who will not return.
"""


def winsorised_spend(training: LabelledUsers) -> NDArray[np.float64]:
    """Clip `future_spend` between 0 and the buyers' `WINSORISED_AT` quantile; shape (users,).

    Raises:
        ValueError: no users to train on.

    >>> spend = pd.Series([-5.0, 0.0, *range(1, 101), 444_000.0])
    >>> users = LabelledUsers(pd.DataFrame(index=spend.index), spend, spend > 0)
    >>> winsorised_spend(users)[[0, -1]].tolist()
    [0.0, 100.0]
    """
    require_users(training)
    spend = np.maximum(training.future_spend.to_numpy(dtype=np.float64), 0)
    limit = np.quantile(spend[spend > 0], WINSORISED_AT) if (spend > 0).any() else 0.0
    return np.minimum(spend, limit)


def require_users(training: LabelledUsers) -> None:
    """Raise a ValueError if the training set is empty.

    >>> require_users(LabelledUsers(pd.DataFrame(), pd.Series(dtype=float), pd.Series(dtype=bool)))
    Traceback (most recent call last):
    ValueError: Expected at least one user to train on, found none: choose training snapshots with users.
    """
    if not len(training):
        raise ValueError("Expected at least one user to train on, found none: choose training snapshots with users.")


def as_predictions(features: pd.DataFrame, expected_spend: ArrayLike, purchase_probability: ArrayLike) -> pd.DataFrame:
    """Clip spend to at least 0 and probabilities to 0 to 1, in a frame indexed like `features`.

    >>> as_predictions(pd.DataFrame(index=["ann"]), [-3.0], [1.2])
         expected_spend  purchase_probability
    ann             0.0                   1.0
    """
    return pd.DataFrame(
        {
            "expected_spend": np.maximum(np.asarray(expected_spend, dtype=np.float64), 0),
            "purchase_probability": np.clip(np.asarray(purchase_probability, dtype=np.float64), 0, 1),
        },
        index=features.index,
    )
