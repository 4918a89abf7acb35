"""Interval of what a group spends together: what is common to all, the level, and what is each user's own."""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv, ndtri
from scipy.stats import qmc

from models.score.intervals import COVERAGE, TAIL

DRAWS = 12
"""Logarithm of the number of draws, to the base 2; they are the same each time."""


@dataclass(frozen=True)
class Group:
    """Sums over a group's users.

    Attributes:
        spend: expected spend, in money.
        variance: variance of the users' own spend at a known level, in money squared.
        nothing: chance that none of them spends anything.
    """

    spend: float
    variance: float
    nothing: float


def total_interval(group: Group, low: float, high: float) -> tuple[float, float]:
    """80 % interval of a group's total spend, in money.

    The level is lognormal on either side of its expectation. Without it, the total is 0 with the chance of nothing, and
    otherwise a gamma variable with the mean and the variance that remain: exact for the chance of nothing, the mean and
    the variance, and near a normal variable for many users.

    Args:
        group: sums over the users.
        low: lower end of the level's 80 % interval, as a multiple of its expectation; above 0, at most 1.
        high: upper end, at least 1.

    >>> few = Group(spend=200.0, variance=230_000.0, nothing=0.84**2)
    >>> [round(end) for end in total_interval(few, 0.8, 1.3)]
    [0, 266]
    >>> many = Group(spend=1e6, variance=1e8, nothing=0.0)
    >>> [round(end, -4) for end in total_interval(many, 0.8, 1.3)]
    [800000.0, 1300000.0]
    """
    if group.spend <= 0:
        return 0.0, 0.0
    some = 1 - min(group.nothing, 1 - 1e-9)
    mean = group.spend / some
    variance = max((group.variance + group.spend**2) / some - mean**2, 1e-9 * mean**2)
    level, own = qmc.Sobol(2, scramble=False).random_base2(DRAWS).T + 2.0 ** -(DRAWS + 1)
    side = np.where(level < TAIL + COVERAGE / 2, np.log(low) / ndtri(TAIL), np.log(high) / ndtri(1 - TAIL))
    inside = np.maximum((own - group.nothing) / some, 0)
    shape = mean**2 / variance
    spent = np.where(inside > 0, gammaincinv(shape, inside) * variance / mean, 0.0)
    below = max(TAIL - group.nothing, 0.0)
    ends = np.quantile(np.exp(side * ndtri(level)) * spent, [below, below + COVERAGE])
    return min(float(ends[0]), group.spend), max(float(ends[1]), group.spend)
