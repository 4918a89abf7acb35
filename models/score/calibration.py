"""Calibration of expected spend to observed spend and to the forecast level, without changing the order of users."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.measures.gini import Floats, floats
from models.measures.metrics import TAIL

GROUPS = 20
"""Groups of users by prediction whose means are compared; twice the deciles that evaluation uses."""

PRIOR_USERS = 200
"""Weight of the prior, in users who spend as predicted, in each group's mean: few buyers make a mean by chance."""


@dataclass(frozen=True)
class Calibration:
    """A strictly increasing, piecewise linear map of expected spend that keeps 0 at 0 and preserves ties.

    Attributes:
        predicted, actual: knots, both ascending and above 0, as multiples of the mean prediction and the mean spend.
            Beyond the last knot the map is proportional.
        unit: money per 1 in `predicted`.
        level: money per 1 in `actual`.

    >>> calibration = Calibration(np.array([1.0, 2.0]), np.array([1.0, 4.0]), unit=10.0, level=10.0)
    >>> calibration.apply([0, 10, 15, 20, 40]).tolist()
    [0.0, 10.0, 25.0, 40.0, 80.0]
    """

    predicted: Floats
    actual: Floats
    unit: float = 1.0
    level: float = 1.0

    def apply(self, expected_spend: ArrayLike) -> Floats:
        """Calibrate expected spend; in money, same shape."""
        inputs = np.maximum(floats(expected_spend), 0) / self.unit
        x, y = np.append(0.0, self.predicted), np.append(0.0, self.actual)
        inside = np.interp(inputs, x, y)
        return np.where(inputs > x[-1], inputs * y[-1] / x[-1], inside) * self.level

    def at_level(self, reference_spend: ArrayLike, total: float) -> Self:
        """Rescale the map so that the reference population's calibrated spend sums to `total`.

        Args:
            reference_spend: uncalibrated expected spend of every user that the total covers.
            total: forecast of their spend in the horizon, in money; see `models.level`.

        >>> calibration = Calibration(np.ones(1), np.ones(1)).at_level([1.0, 3.0], total=100.0)
        >>> calibration.apply([1.0, 3.0]).tolist()
        [25.0, 75.0]
        """
        reference = np.maximum(floats(reference_spend), 0)
        if not len(reference) or reference.mean() <= 0:
            return self
        sized = replace(self, unit=float(reference.mean()), level=1.0)
        return replace(sized, level=max(total, 0.0) / float(sized.apply(reference).sum()))


def fit(predictions: Sequence[ArrayLike], future_spend: Sequence[ArrayLike]) -> Calibration:
    """Learn a calibration from out-of-time predictions; for each fold, expected and true spend of the same users.

    Both are taken as multiples of their mean in the fold, so that an unusual month does not bend the map. True spend is
    first clipped at its `TAIL` quantile. Neighbouring groups whose means are in the wrong order are pooled. Without
    usable folds the map is proportional.

    >>> fit([[]], [[]]).apply([3.0]).tolist()
    [3.0]
    """
    predicted, actual = [], []
    for prediction, spend in zip(predictions, future_spend, strict=True):
        expected, truth = np.maximum(floats(prediction), 0), np.maximum(floats(spend), 0)
        truth = np.minimum(truth, np.quantile(truth, TAIL)) if len(truth) else truth
        if len(truth) and expected.mean() > 0 and truth.mean() > 0:
            predicted.append(expected / expected.mean())
            actual.append(truth / truth.mean())
    if not predicted:
        return Calibration(np.ones(1), np.ones(1))
    pooled = _pooled(np.concatenate(predicted), np.concatenate(actual))
    return Calibration(pooled[:, 1] / pooled[:, 0], pooled[:, 2] / pooled[:, 0])


def prediction_groups(predictions: Floats, groups: int) -> NDArray[np.intp]:
    """Index of each user's quantile group, lowest prediction first; tied users share a group.

    >>> prediction_groups(np.array([4.0, 1.0, 1.0, 9.0]), 2).tolist()
    [1, 0, 0, 1]
    """
    edges = np.unique(np.quantile(predictions, np.linspace(0, 1, groups + 1)[1:-1]))
    return np.unique(np.searchsorted(edges, predictions, side="left"), return_inverse=True)[1]


def _pooled(predicted: Floats, actual: Floats) -> Floats:
    """Pool groups by prediction until both means ascend; columns users, sum of predictions, sum of spend.

    The pool-adjacent-violators algorithm.
    """
    group = prediction_groups(predicted, GROUPS)
    users = np.bincount(group).astype(np.float64)
    predicted_sum = np.bincount(group, predicted)
    prior = PRIOR_USERS * predicted_sum / users
    spent = users * (np.bincount(group, actual) + prior) / (users + PRIOR_USERS)
    blocks: list[Floats] = []
    for block in np.column_stack([users, predicted_sum, spent])[predicted_sum > 0]:
        blocks.append(block)
        while len(blocks) > 1 and blocks[-1][2] / blocks[-1][0] <= blocks[-2][2] / blocks[-2][0]:
            last = blocks.pop()
            blocks[-1] = blocks[-1] + last
    return np.array(blocks)
