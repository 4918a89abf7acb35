"""Several models as one: the weights of their average."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import nnls

from models.metrics import TAIL


def equal_weights(members: int) -> list[float]:
    """The same weight for each; hard to beat when the members are few and about equally good."""
    return [1 / members] * members


def fitted_weights(predictions: Sequence[ArrayLike], future_spend: ArrayLike) -> list[float]:
    """Weights of at least 0 that sum to 1, by least squares on predictions of users that the members never saw.

    True spend is cut at its `TAIL` quantile, for one large order would decide. Equal weights if nothing is explained.

    Args:
        predictions: expected spend of each member, out of time; one array of users per member.
        future_spend: what these users spent.
    """
    spend = np.maximum(np.asarray(future_spend, dtype=np.float64), 0)
    columns = np.column_stack([np.asarray(prediction, dtype=np.float64) for prediction in predictions])
    weights, _ = nnls(columns, np.minimum(spend, np.quantile(spend, TAIL)))
    total = float(weights.sum())
    return [float(weight) / total for weight in weights] if total > 0 else equal_weights(len(predictions))
