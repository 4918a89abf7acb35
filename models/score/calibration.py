"""Expected spend brought to what such users spent, and to the level that is forecast, without changing their order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.measures.gini import Floats, floats
from models.measures.metrics import TAIL

GROUPS = 20
"""Groups of users by prediction whose means are compared; twice as many as the deciles that judge them."""

PRIOR_USERS = 200
"""A group's mean counts as if so many more users had spent as predicted: few buyers make a mean by chance."""


@dataclass(frozen=True)
class Calibration:
    """A strictly increasing, piecewise linear map of expected spend; 0 stays 0, ties stay ties and nothing becomes one.

    Attributes:
        predicted, actual: the bends, both ascending and above 0, as multiples of the mean prediction and mean spend.
            Beyond the last one the map goes on in proportion.
        unit: money that 1 stands for in `predicted`.
        level: money that 1 stands for in `actual`.
    """

    predicted: Floats
    actual: Floats
    unit: float = 1.0
    level: float = 1.0

    def apply(self, expected_spend: ArrayLike) -> Floats:
        """Calibrated expected spend, in money."""
        inputs = np.maximum(floats(expected_spend), 0) / self.unit
        x, y = np.append(0.0, self.predicted), np.append(0.0, self.actual)
        inside = np.interp(inputs, x, y)
        return np.where(inputs > x[-1], inputs * y[-1] / x[-1], inside) * self.level

    def at_level(self, reference_spend: ArrayLike, total: float) -> Self:
        """The same map, such that the reference population's calibrated spend sums to `total`.

        Args:
            reference_spend: uncalibrated expected spend of everyone whom the total is about.
            total: forecast of their spend in the horizon, in money; see `models.level`.
        """
        reference = np.maximum(floats(reference_spend), 0)
        if not len(reference) or reference.mean() <= 0:
            return self
        sized = replace(self, unit=float(reference.mean()), level=1.0)
        return replace(sized, level=max(total, 0.0) / float(sized.apply(reference).sum()))


def fit(predictions: Sequence[ArrayLike], future_spend: Sequence[ArrayLike]) -> Calibration:
    """Learn from predictions that were out of time: of each fold, expected and true spend of the same users.

    Both are taken as multiples of their mean in the fold, so that a special month does not bend the map; true spend is
    cut at its `TAIL` quantile first. Neighbouring groups whose means are in the wrong order are pooled. Proportional
    where there is nothing to learn from.
    """
    said, true = [], []
    for prediction, spend in zip(predictions, future_spend, strict=True):
        expected, truth = np.maximum(floats(prediction), 0), np.maximum(floats(spend), 0)
        truth = np.minimum(truth, np.quantile(truth, TAIL)) if len(truth) else truth
        if len(truth) and expected.mean() > 0 and truth.mean() > 0:
            said.append(expected / expected.mean())
            true.append(truth / truth.mean())
    if not said:
        return Calibration(np.ones(1), np.ones(1))
    pooled = _pooled(np.concatenate(said), np.concatenate(true))
    return Calibration(pooled[:, 1] / pooled[:, 0], pooled[:, 2] / pooled[:, 0])


def prediction_groups(predictions: Floats, groups: int) -> NDArray[np.intp]:
    """Number of each user's group, from the lowest prediction up; users with the same prediction are in one group."""
    edges = np.unique(np.quantile(predictions, np.linspace(0, 1, groups + 1)[1:-1]))
    return np.unique(np.searchsorted(edges, predictions, side="left"), return_inverse=True)[1]


def _pooled(said: Floats, true: Floats) -> Floats:
    """Groups by prediction in ascending order of both means; columns users, sum of predictions, sum of spend.

    The pool-adjacent-violators algorithm.
    """
    group = prediction_groups(said, GROUPS)
    users = np.bincount(group).astype(np.float64)
    predicted = np.bincount(group, said)
    prior = PRIOR_USERS * predicted / users
    spent = users * (np.bincount(group, true) + prior) / (users + PRIOR_USERS)
    blocks: list[Floats] = []
    for block in np.column_stack([users, predicted, spent])[predicted > 0]:
        blocks.append(block)
        while len(blocks) > 1 and blocks[-1][2] / blocks[-1][0] <= blocks[-2][2] / blocks[-2][0]:
            last = blocks.pop()
            blocks[-1] = blocks[-1] + last
    return np.array(blocks)
