"""Several models as one: the weights of their average, from how well each ranked users that it had not seen."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from models.measures.gini import Floats, floats, normalized_gini, standard_error

SMALLEST_WEIGHT = 0.03
"""A member that would weigh less is left out: it costs a fit and moves nobody."""

SAMPLES = 50
"""Bootstrap samples for the standard error that weights are measured in."""


class Blend(NamedTuple):
    """Weights of members and what they give together.

    Attributes:
        weights: one per member, at least 0, of sum 1.
        ngini: mean normalized Gini of the blend over the folds.
        predictions: of the blend, one array of users per fold, as multiples of the fold's mean.
    """

    weights: list[float]
    ngini: float
    predictions: list[Floats]


def blend(predictions: Sequence[Sequence[ArrayLike]], future_spend: Sequence[ArrayLike], seed: int = 0) -> Blend:
    """Weigh members by out-of-time predictions: of the best few, as many as together beat the best one alone.

    A weight falls by a factor of e for each standard error that a member's normalized Gini is behind the best one's.
    Which member will be best on the next window is hardly better known than that: weights fitted by least squares, or
    fewer members, follow the folds more closely and the next window less well.

    Args:
        predictions: of each member, expected spend of each fold's users.
        future_spend: of each fold, what these users spent.
        seed: of the bootstrap.
    """
    scores = np.mean([_ginis(member, future_spend) for member in predictions], axis=1)
    ranks = np.argsort(np.argsort(-scores, kind="stable"))
    best = int(np.argmax(scores))
    folds = zip(predictions[best], future_spend, strict=True)
    error = float(np.mean([standard_error(spend, said, SAMPLES, seed) for said, spend in folds]))
    for size in range(len(scores), 0, -1):
        weights = _weights(np.where(ranks < size, scores, -np.inf), error)
        together = _together(predictions, weights)
        ngini = float(np.mean(_ginis(together, future_spend)))
        if ngini > scores[best]:
            break
    return Blend(weights.tolist(), ngini, together)


def scales(means: Sequence[float], weights: Sequence[float]) -> list[float]:
    """What brings the members' money to one level, the weighted mean of theirs, before they are averaged.

    They differ by tens of percent in the level and by little in the order, and a weight should not depend on that.

    Args:
        means: mean expected spend of each member over the same users.
        weights: of the blend.
    """
    level = float(np.dot(means, weights))
    return [level / mean if mean > 0 else 1.0 for mean in means]


def _weights(scores: Floats, error: float) -> Floats:
    weights = np.exp((scores - scores.max()) / max(error, 1e-9))
    weights = np.where(weights >= SMALLEST_WEIGHT * weights.sum(), weights, 0)
    return np.asarray(weights / weights.sum())


def _together(predictions: Sequence[Sequence[ArrayLike]], weights: Floats) -> list[Floats]:
    folds = []
    for said in zip(*predictions, strict=True):
        relative = [floats(member) / (floats(member).mean() or 1.0) for member in said]
        folds.append(np.asarray(weights @ np.array(relative)))
    return folds


def _ginis(member: Sequence[ArrayLike], future_spend: Sequence[ArrayLike]) -> list[float]:
    return [normalized_gini(spend, said) for said, spend in zip(member, future_spend, strict=True)]
