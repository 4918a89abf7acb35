"""Prediction intervals of a user's spend: a chance of nothing, and a law of what a buyer spends.

With the purchase probability `p` and the expected spend `m`, the quantile of level `q` is 0 up to the chance of nothing
`1 - p`, and above it the quantile `(q - (1 - p)) / p` of a buyer's spend, whose mean is `m / p`. The law of a buyer's
spend is learned out of time as a multiple of that mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.measures.gini import Floats, floats

COVERAGE = 0.8
"""Share of users inside their interval."""

TAIL = (1 - COVERAGE) / 2
"""Share of users below the interval, where the chance of nothing leaves room for it."""

GROUP_BUYERS = 200
"""Minimum number of buyers behind a law."""

MAX_GROUPS = 20
"""Maximum number of laws by the mean spend of a buyer."""

LEVELS = np.linspace(0, 1, 41)
"""Levels of a law's quantiles; between them it is linear."""

SMALLEST = 1e-6
"""Smallest purchase probability that divides."""


@dataclass(frozen=True)
class Intervals:
    """Laws of a buyer's spend by its mean, linear in between.

    Attributes:
        means: mean spend of a buyer at each law, ascending, in units of the mean over all users; one or more.
        laws: quantiles at `LEVELS` of a buyer's spend over its mean; shape (means, levels).
        unit: mean expected spend of the scored population, in money.

    >>> intervals = Intervals(np.array([1.0]), 2 * LEVELS[None, :], unit=10.0)  # uniform from 0 to twice the mean
    >>> [ends.tolist() for ends in intervals.bounds([9.0, 8.0, 5.0], [1.0, 0.8, 0.5])]
    [[1.8, 0.0, 0.0], [16.2, 15.0, 12.0]]
    """

    means: Floats
    laws: Floats
    unit: float

    @property
    def second_moment(self) -> float:
        """Mean square of a buyer's spend over its mean: with it, a user's variance is m² (second moment / p - 1)."""
        start, end = self.laws[:, :-1], self.laws[:, 1:]
        return float(((start**2 + start * end + end**2) / 3).mean())

    def quantile(self, expected_spend: ArrayLike, probability: ArrayLike, level: ArrayLike) -> Floats:
        """Quantile of each user's spend, in money; shape (users,).

        Args:
            expected_spend: calibrated expected spend, in money.
            probability: purchase probability.
            level: level of the quantile of each user, or of all.
        """
        chance = np.clip(floats(probability), SMALLEST, 1)
        mean = np.maximum(floats(expected_spend), 0) / chance
        inside = np.clip((np.asarray(level, float) - (1 - chance)) / chance, 0, 1)
        place = np.interp(mean / self.unit, self.means, np.arange(len(self.means)))
        lower = np.minimum(place.astype(int), len(self.means) - 1)
        upper = np.minimum(lower + 1, len(self.means) - 1)
        low, high = (self._multiple(law, inside) for law in (lower, upper))
        return np.where(inside > 0, mean * (low + (place - lower) * (high - low)), 0.0).round(9)

    def bounds(self, expected_spend: ArrayLike, probability: ArrayLike) -> tuple[Floats, Floats]:
        """Lower and upper bound of each user's spend, in money; 0 <= low <= expected spend <= high.

        Below a chance of nothing of a tenth both ends leave out a tenth of the users; above, the interval begins at 0.
        """
        expected = np.maximum(floats(expected_spend), 0)
        nothing = 1 - np.clip(floats(probability), SMALLEST, 1)
        below = np.maximum(TAIL - nothing, 0)
        low = self.quantile(expected, probability, below)
        high = self.quantile(expected, probability, below + COVERAGE)
        return np.minimum(low, expected), np.maximum(high, expected)

    def _multiple(self, law: "np.ndarray[tuple[int], np.dtype[np.int_]]", level: Floats) -> Floats:
        """Quantile of a level from 0 to 1 of each user's law."""
        place = level * (len(LEVELS) - 1)
        before = np.minimum(place.astype(int), len(LEVELS) - 2)
        share = place - before
        return np.asarray(self.laws[law, before] * (1 - share) + self.laws[law, before + 1] * share)


def fit(
    predictions: Sequence[ArrayLike], future_spend: Sequence[ArrayLike], unit: float, *, windows: float = 1.0
) -> Intervals:
    """Learn the laws from out-of-time predictions; for each fold, expected and true spend of the same users.

    Both are taken as multiples of the fold's means, which removes the level; the level has an interval of its own. The
    mean spend of a buyer is the expected spend over the share of buyers among users with that expectation (isotonic
    regression), so that the models' probabilities out of time are not needed.

    Args:
        predictions: calibrated expected spend of the users of each fold.
        future_spend: their true spend.
        unit: mean expected spend of the population to score, in money.
        windows: equivalent number of label windows in the horizon, see `models.btyd.horizon`; above 1, a user's horizon
            is assembled from that many (rounded) outcomes of users with neighbouring predictions.

    Raises:
        ValueError: fewer than two users.

    >>> spend = np.arange(100.0)
    >>> low, high = fit([np.full(100, 50.0)], [spend], unit=50.0).bounds([50.0], [0.99])
    >>> 0 <= low[0] < 50 < high[0] <= 100
    np.True_
    >>> fit([[1.0]], [[1.0]], unit=1.0)
    Traceback (most recent call last):
    ValueError: Expected at least two users to learn intervals from, found 1.
    """
    from sklearn.isotonic import IsotonicRegression

    folds = [_relative(floats(p), floats(s)) for p, s in zip(predictions, future_spend, strict=True)]
    expected, spend = (np.concatenate([fold[side] for fold in folds]) for side in (0, 1))
    if len(expected) < 2:  # noqa: PLR2004 - the smallest group
        raise ValueError(f"Expected at least two users to learn intervals from, found {len(expected)}.")
    expected, spend = _lengthened(expected, spend, max(round(windows), 1))
    bought = (spend > 0) & (expected > 0)
    unit = unit if unit > 0 else 1.0
    if not bought.any():
        return Intervals(np.ones(1), np.zeros((1, len(LEVELS))), unit)
    chance = IsotonicRegression(y_min=SMALLEST, y_max=1).fit_transform(expected, (spend > 0).astype(float))
    mean = expected[bought] / chance[bought]
    order = np.argsort(mean, kind="stable")
    groups = np.array_split(order, int(np.clip(len(order) // GROUP_BUYERS, 1, MAX_GROUPS)))
    means = np.array([mean[group].mean() for group in groups])
    laws = np.array([np.quantile(spend[bought][group] / mean[group], LEVELS) for group in groups])
    return Intervals(means, laws, unit)


def _relative(expected: Floats, spend: Floats) -> tuple[Floats, Floats]:
    """Divide both by their means; leave them unchanged where the mean is 0."""
    expected, spend = np.maximum(expected, 0), np.maximum(spend, 0)
    if not len(expected):
        return expected, spend
    return expected / (expected.mean() or 1.0), spend / (spend.mean() or 1.0)


def _lengthened(expected: Floats, spend: Floats, outcomes: int) -> tuple[Floats, Floats]:
    """Replace each user's outcome by the mean of it and the next `outcomes` - 1 outcomes in predicted order."""
    order = np.argsort(expected, kind="stable")
    expected, spend = expected[order], spend[order]
    return expected, np.mean([np.roll(spend, -shift) for shift in range(outcomes)], axis=0)
