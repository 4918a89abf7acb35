"""Prediction intervals of a user's spend: split-conformal, and as wide as users with such a prediction differ.

Spend is zero-inflated: where more than a tenth of the users like this one spend nothing, the interval starts at 0, and
where nearly all do, it is 0 to 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.measures.gini import Floats, floats
from models.score.calibration import prediction_groups

COVERAGE = 0.8
GROUP_USERS = 200
"""Users that a quantile is taken from, at least."""

MAX_GROUPS = 20
LEVELS = np.linspace(0.7, 1.0, 61)
"""Candidate quantiles of the upper end: however many spend nothing, no group is covered much less than the first."""


@dataclass(frozen=True)
class Intervals:
    """Bounds by expected spend, straight between the groups and proportional outside them.

    Attributes:
        expected: mean expected spend of each group, ascending, in units of the mean over all users.
        low, high: bounds of each group, in the same unit.
        unit: mean expected spend of the population that the bounds are for, in money.
    """

    expected: Floats
    low: Floats
    high: Floats
    unit: float

    def bounds(self, expected_spend: ArrayLike) -> tuple[Floats, Floats]:
        """Lower and upper ends for users with these (calibrated) expected spends, in money; 0 <= low <= high."""
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
    """Learn 80 % intervals from predictions that were out of time: of each fold, expected and true spend.

    Both are taken as multiples of the fold's means, so that the level, whose own interval is another matter, is left
    out. Half of the users give each group's quantiles; the other half says which quantile has to be the upper end, the
    same for all groups, for 80 % to be inside. Groups of whom more than that spend nothing are covered by 0 alone;
    for it the others get a lower quantile, within `LEVELS`, so that 80 % of all users are inside and not of each group.

    Args:
        predictions: calibrated expected spend of the users of each fold.
        future_spend: what they spent.
        unit: mean expected spend of the population that will be scored, in money.
        windows: label windows that the horizon counts for, see `models.horizon`; if above 1, a user's horizon is made
            of that many (rounded) outcomes of users with neighbouring predictions.
        seed: of the halves.

    Raises:
        ValueError: fewer than two users with known spend.
    """
    random, parts = np.random.default_rng(seed), max(round(windows), 1)
    folds = [_relative(floats(p), floats(s)) for p, s in zip(predictions, future_spend, strict=True)]
    expected, spend = (np.concatenate([fold[side] for fold in folds]) for side in (0, 1))
    if len(expected) < 2:  # noqa: PLR2004 - two halves
        raise ValueError(f"Expected at least two users to learn intervals from, found {len(expected)}.")
    half = random.permutation(len(expected)) % 2 == 0
    learn = _lengthened(expected[half], spend[half], parts)
    check = _lengthened(expected[~half], spend[~half], parts)
    centres, low, highs = _quantiles(*learn)
    bottom = _along(check[0], centres, low)
    for high in highs:
        inside = (check[1] >= bottom) & (check[1] <= _along(check[0], centres, high))
        if inside.mean() >= COVERAGE:
            break
    return Intervals(centres, low, high, unit if unit > 0 else 1.0)


def _relative(expected: Floats, spend: Floats) -> tuple[Floats, Floats]:
    """As multiples of the mean; as they are where that is 0."""
    expected, spend = np.maximum(expected, 0), np.maximum(spend, 0)
    if not len(expected):
        return expected, spend
    return expected / (expected.mean() or 1.0), spend / (spend.mean() or 1.0)


def _lengthened(expected: Floats, spend: Floats, parts: int) -> tuple[Floats, Floats]:
    """Each user's outcome becomes the mean of their own and those of the next `parts` - 1 in predicted order."""
    order = np.argsort(expected, kind="stable")
    expected, spend = expected[order], spend[order]
    return expected, np.mean([np.roll(spend, -shift) for shift in range(parts)], axis=0)


def _quantiles(expected: Floats, spend: Floats) -> tuple[Floats, Floats, Floats]:
    """Of groups by prediction (ascending): mean prediction, lower end, and upper ends, shape (levels, groups)."""
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
    """The ends at some inputs: straight between the centres, in proportion to the input outside them."""
    held = np.clip(inputs, centres[0], centres[-1])
    inside = np.interp(held, centres, ends)
    return np.where(held > 0, inside * inputs / np.where(held > 0, held, 1), inside)
