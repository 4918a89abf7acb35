"""Blend several models: weights from how well each ranked users it had not seen."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from models.measures.gini import Floats, floats, normalized_gini, standard_error

SMALLEST_WEIGHT = 0.03
"""Minimum weight of a member. One below it costs a fit and changes nothing, and is dropped."""

SAMPLES = 50
"""Bootstrap samples for the standard error that scales the weights."""


class Blend(NamedTuple):
    """Weights of members, and the blend's results.

    Attributes:
        weights: one per member, at least 0; they sum to 1.
        ngini: mean normalized Gini of the blend over the folds.
        predictions: the blend's predictions, one array of users per fold, as multiples of the fold's mean.
    """

    weights: list[float]
    ngini: float
    predictions: list[Floats]


def blend(predictions: Sequence[Sequence[ArrayLike]], future_spend: Sequence[ArrayLike], seed: int = 0) -> Blend:
    """Weigh members by out-of-time predictions: the largest set of best members whose blend beats the best one alone.

    A weight falls by a factor of e for each standard error that the member's normalized Gini trails the best one. The
    best member of the next window is hardly known more precisely: weights fitted by least squares, or fewer members,
    follow the folds more closely and the next window less well.

    Args:
        predictions: for each member, expected spend of each fold's users.
        future_spend: for each fold, true spend of the same users.
        seed: seed of the bootstrap.

    >>> spend = [[0.0, 0.0, 5.0, 9.0]]
    >>> good, bad = [[1.0, 2.0, 6.0, 8.0]], [[9.0, 5.0, 2.0, 1.0]]
    >>> blend([good, bad], spend).weights
    [1.0, 0.0]
    """
    scores = np.mean([_ginis(member, future_spend) for member in predictions], axis=1)
    ranks = np.argsort(np.argsort(-scores, kind="stable"))
    best = int(np.argmax(scores))
    folds = zip(predictions[best], future_spend, strict=True)
    error = float(np.mean([standard_error(spend, predicted, SAMPLES, seed) for predicted, spend in folds]))
    for size in range(len(scores), 0, -1):
        weights = _weights(np.where(ranks < size, scores, -np.inf), error)
        combined = _combined(predictions, weights)
        ngini = float(np.mean(_ginis(combined, future_spend)))
        if ngini > scores[best]:
            break
    return Blend(weights.tolist(), ngini, combined)


def scales(means: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Factors that bring the members' money to one level, their weighted mean, before averaging.

    Levels of members differ by tens of percent and their order by little; weights should not depend on the level.

    Args:
        means: mean expected spend of each member over the same users.
        weights: weights of the blend.

    >>> scales([10.0, 30.0], [0.5, 0.5])
    [2.0, 0.6666666666666666]
    """
    level = float(np.dot(means, weights))
    return [level / mean if mean > 0 else 1.0 for mean in means]


def _weights(scores: Floats, error: float) -> Floats:
    weights = np.exp((scores - scores.max()) / max(error, 1e-9))
    weights = np.where(weights >= SMALLEST_WEIGHT * weights.sum(), weights, 0)
    return np.asarray(weights / weights.sum())


def _combined(predictions: Sequence[Sequence[ArrayLike]], weights: Floats) -> list[Floats]:
    folds = []
    for fold in zip(*predictions, strict=True):
        relative = [floats(member) / (floats(member).mean() or 1.0) for member in fold]
        folds.append(np.asarray(weights @ np.array(relative)))
    return folds


def _ginis(member: Sequence[ArrayLike], future_spend: Sequence[ArrayLike]) -> list[float]:
    return [normalized_gini(spend, predicted) for predicted, spend in zip(member, future_spend, strict=True)]
