"""Prediction intervals of a user's spend: split-conformal, with a width that depends on the prediction.

Spend is zero-inflated: where more than a tenth of similar users spend nothing, the interval starts at 0, and where
nearly all do, it is 0 to 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.measures.gini import Floats, floats
from models.score.calibration import prediction_groups

COVERAGE = 0.8
"""Target share of users inside their interval."""
GROUP_USERS = 200
"""Minimum number of users behind a quantile."""

MAX_GROUPS = 20
"""Maximum number of groups by prediction."""
LEVELS = np.linspace(0.7, 1.0, 61)
"""Candidate quantiles of the upper bound. The lowest limits how far any group may be undercovered."""


@dataclass(frozen=True)
class Intervals:
    """Bounds by expected spend: linear between groups and proportional outside them.

    Attributes:
        expected: mean expected spend of each group, ascending, in units of the mean over all users.
        low, high: bounds of each group, in the same unit.
        unit: mean expected spend of the scored population, in money.

    >>> intervals = Intervals(np.array([1.0, 2.0]), np.zeros(2), np.array([3.0, 5.0]), unit=10.0)
    >>> low, high = intervals.bounds([5.0, 15.0, 40.0])
    >>> high.tolist()
    [15.0, 40.0, 100.0]
    """

    expected: Floats
    low: Floats
    high: Floats
    unit: float

    def bounds(self, expected_spend: ArrayLike) -> tuple[Floats, Floats]:
        """Lower and upper bounds for calibrated expected spend, in money; 0 <= low <= high, same shape."""
        inputs = np.maximum(floats(expected_spend), 0) / self.unit
        low, high = (_along(inputs, self.expected, ends) * self.unit for ends in (self.low, self.high))
        return low, high


def fit(
    predictions: Sequence[ArrayLike],
    future_spend: Sequence[ArrayLike],
    unit: float,
    *,
    windows: float = 1.0,
    seed: int = 0,
) -> Intervals:
    """Learn 80 % intervals from out-of-time predictions; for each fold, expected and true spend of the same users.

    Both are taken as multiples of the fold's means, which removes the level; the level has an interval of its own. Half
    of the users give each group's quantiles. The other half selects one quantile for all upper bounds, so that 80 % of
    users are inside. Groups with more than 80 % of zero spend are covered by 0 alone; the other groups then get a lower
    quantile, within `LEVELS`, so coverage holds over all users and not within each group.

    Args:
        predictions: calibrated expected spend of the users of each fold.
        future_spend: their true spend.
        unit: mean expected spend of the population to score, in money.
        windows: equivalent number of label windows in the horizon, see `models.btyd.horizon`; above 1, a user's horizon
            is assembled from that many (rounded) outcomes of users with neighbouring predictions.
        seed: seed of the split into halves.

    Raises:
        ValueError: fewer than two users.

    >>> spend = np.arange(100.0)
    >>> low, high = fit([np.full(100, 50.0)], [spend], unit=50.0).bounds([50.0])
    >>> 0 <= low[0] < 50 < high[0] <= 100
    np.True_
    >>> fit([[1.0]], [[1.0]], unit=1.0)
    Traceback (most recent call last):
    ValueError: Expected at least two users to learn intervals from, found 1.
    """
    random, outcomes = np.random.default_rng(seed), max(round(windows), 1)
    folds = [_relative(floats(p), floats(s)) for p, s in zip(predictions, future_spend, strict=True)]
    expected, spend = (np.concatenate([fold[side] for fold in folds]) for side in (0, 1))
    if len(expected) < 2:  # noqa: PLR2004 - two halves
        raise ValueError(f"Expected at least two users to learn intervals from, found {len(expected)}.")
    half = random.permutation(len(expected)) % 2 == 0
    learn = _lengthened(expected[half], spend[half], outcomes)
    check = _lengthened(expected[~half], spend[~half], outcomes)
    centres, low, highs = _quantiles(*learn)
    bottom = _along(check[0], centres, low)
    for high in highs:
        inside = (check[1] >= bottom) & (check[1] <= _along(check[0], centres, high))
        if inside.mean() >= COVERAGE:
            break
    return Intervals(centres, low, high, unit if unit > 0 else 1.0)


def _relative(expected: Floats, spend: Floats) -> tuple[Floats, Floats]:
    """Divide both by their means; leave them unchanged where the mean is 0."""
    expected, spend = np.maximum(expected, 0), np.maximum(spend, 0)
    if not len(expected):
        return expected, spend
    return expected / (expected.mean() or 1.0), spend / (spend.mean() or 1.0)


def _lengthened(expected: Floats, spend: Floats, outcomes: int) -> tuple[Floats, Floats]:
    """Replace each user's outcome by the mean of it and the next `parts` - 1 outcomes in predicted order."""
    order = np.argsort(expected, kind="stable")
    expected, spend = expected[order], spend[order]
    return expected, np.mean([np.roll(spend, -shift) for shift in range(outcomes)], axis=0)


def _quantiles(expected: Floats, spend: Floats) -> tuple[Floats, Floats, Floats]:
    """Per group by prediction, ascending: mean prediction, lower bound, and upper bounds of shape (levels, groups)."""
    group = prediction_groups(expected, int(np.clip(len(expected) // GROUP_USERS, 1, MAX_GROUPS)))
    tail = (1 - COVERAGE) / 2
    centres, lows, highs = [], [], []
    for number in range(int(group.max()) + 1):
        true = spend[group == number]
        low = float(np.quantile(true, tail, method="higher"))
        centres.append(float(expected[group == number].mean()))
        lows.append(low)
        highs.append(np.quantile(true, np.minimum(LEVELS + tail * (low > 0), 1), method="higher"))
    return np.array(centres), np.array(lows), np.array(highs).T


def _along(inputs: Floats, centres: Floats, ends: Floats) -> Floats:
    """Interpolate bounds at the inputs: linear between the centres, proportional to the input outside them."""
    clipped = np.clip(inputs, centres[0], centres[-1])
    inside = np.interp(clipped, centres, ends)
    return np.where(clipped > 0, inside * inputs / np.where(clipped > 0, clipped, 1), inside)
