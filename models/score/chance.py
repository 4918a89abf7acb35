"""Purchase probability from any number that ranks users: a monotone map, learned from who bought."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from models.measures.gini import Floats, floats
from models.score.calibration import prediction_groups

GROUPS = 20
"""Maximum number of groups of users whose shares of buyers are compared."""

GROUP_USERS = 50
"""Minimum number of users behind a share."""


@dataclass(frozen=True)
class Chance:
    """A map that never falls: linear between the means of groups of users, constant beyond them.

    Attributes:
        ranks: mean of the ranking number in each group, ascending.
        shares: share of buyers, 0 to 1, made monotone by pooling neighbours (isotonic regression).

    >>> Chance(np.array([1.0, 3.0]), np.array([0.2, 0.6])).apply([0.0, 2.0, 9.0]).round(2).tolist()
    [0.2, 0.4, 0.6]
    """

    ranks: Floats
    shares: Floats

    @classmethod
    def fit(cls, ranking: ArrayLike, purchased: ArrayLike) -> Self:
        """Learn the shares of buyers from at least one user.

        Args:
            ranking: finite number by which users are ranked; shape (users,).
            purchased: whether each user bought afterwards.
        """
        from sklearn.isotonic import isotonic_regression

        numbers, bought = floats(ranking), floats(purchased)
        group = prediction_groups(numbers, int(np.clip(len(numbers) // GROUP_USERS, 1, GROUPS)))
        users = np.bincount(group).astype(np.float64)
        shares = isotonic_regression(np.bincount(group, bought) / users, sample_weight=users)
        return cls(np.bincount(group, numbers) / users, np.asarray(shares, dtype=np.float64))

    def apply(self, ranking: ArrayLike) -> Floats:
        """Probability of a purchase, 0 to 1; same shape."""
        return np.interp(floats(ranking), self.ranks, self.shares)
