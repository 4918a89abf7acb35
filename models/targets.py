"""What models are trained to hit and what they hand back."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from models.protocol import LabelledUsers

WINSORISED_AT = 0.99
"""Quantile of the buyers' spend above which a training target is cut. One order of 444,000 in a shop whose buyers spend
1,500 a month would bend every squared or multiplicative error towards one user who will not come again."""


def winsorised_spend(training: LabelledUsers) -> NDArray[np.float64]:
    """The training target of learners: `future_spend` held between 0 and the buyers' `WINSORISED_AT` quantile.

    Raises:
        ValueError: no users to train on.
    """
    require_users(training)
    spend = np.maximum(training.future_spend.to_numpy(dtype=np.float64), 0)
    limit = np.quantile(spend[spend > 0], WINSORISED_AT) if (spend > 0).any() else 0.0
    return np.minimum(spend, limit)


def require_users(training: LabelledUsers) -> None:
    """Stop with a ValueError if there is nobody to learn from."""
    if not len(training):
        raise ValueError("Expected at least one user to train on, found none: choose training snapshots with users.")


def as_predictions(features: pd.DataFrame, expected_spend: ArrayLike, purchase_probability: ArrayLike) -> pd.DataFrame:
    """The answer of every model: spend of at least 0 and a probability between 0 and 1, indexed like `features`."""
    return pd.DataFrame(
        {
            "expected_spend": np.maximum(np.asarray(expected_spend, dtype=np.float64), 0),
            "purchase_probability": np.clip(np.asarray(purchase_probability, dtype=np.float64), 0, 1),
        },
        index=features.index,
    )
