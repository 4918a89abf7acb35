"""The normalized Gini coefficient (nGini), Purse's primary measure, and the uncertainty of its differences."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def normalized_gini(future_spend: ArrayLike, prediction: ArrayLike) -> float:
    """Measure how well predictions rank users by spend: 1 is perfect, 0 is random, negative is reversed.

    Users are sorted by descending prediction. Twice the area between the diagonal and their cumulative share of spend
    is divided by the same area for the perfect order. Tied users share their average; negative net spend counts as 0.
    The result is 0 if everyone spends the same.

    >>> normalized_gini([0.0, 0.0, 10.0], [1.0, 2.0, 3.0]), normalized_gini([0.0, 0.0, 10.0], [3.0, 2.0, 1.0])
    (1.0, -1.0)
    """
    spend = np.maximum(floats(future_spend), 0)
    ones = np.ones_like(spend)
    best = _area(spend, groups(spend), ones)
    return _area(spend, groups(prediction), ones) / best if best > 0 else 0.0


def groups(prediction: ArrayLike) -> NDArray[np.intp]:
    """Number distinct predictions from the highest, 0, down; tied users share a group.

    >>> groups([3.0, 9.0, 3.0]).tolist()
    [1, 0, 1]
    """
    return np.unique(-floats(prediction), return_inverse=True)[1]


def paired_bootstrap(
    future_spend: ArrayLike, challenger: ArrayLike, champion: ArrayLike, samples: int, seed: int
) -> tuple[float, float, float]:
    """Compare the normalized Gini of two models on the same users.

    Each bootstrap sample contains the same users for both models, so that common effects cancel out.

    Args:
        future_spend: true spend of each user.
        challenger: challenger's predictions.
        champion: champion's predictions.
        samples: number of bootstrap samples.
        seed: seed of the bootstrap.

    Returns:
        Difference challenger - champion on all users, its standard error, and the share of samples in which the
        challenger is better (a tie counts half).

    >>> spend = np.arange(20.0)
    >>> difference, error, better = paired_bootstrap(spend, spend, -spend, samples=50, seed=0)
    >>> round(difference, 3), better
    (2.0, 1.0)
    """
    differences = _resampled(future_spend, (challenger, champion), samples, seed) @ np.array([1.0, -1.0])
    estimate = normalized_gini(future_spend, challenger) - normalized_gini(future_spend, champion)
    better = float(((differences > 0) + 0.5 * (differences == 0)).mean())
    return estimate, float(differences.std(ddof=1)) if samples > 1 else 0.0, better


def bootstrap_interval(
    future_spend: ArrayLike, prediction: ArrayLike, samples: int, seed: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Bootstrap percentile interval of one model's normalized Gini.

    >>> spend = np.arange(20.0)
    >>> low, high = bootstrap_interval(spend, spend, samples=50, seed=0)
    >>> round(low, 6), round(high, 6)
    (1.0, 1.0)
    """
    ginis = _resampled(future_spend, (prediction,), samples, seed)[:, 0]
    low, high = np.quantile(ginis, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def standard_error(future_spend: ArrayLike, prediction: ArrayLike, samples: int, seed: int) -> float:
    """Bootstrap standard error of one model's normalized Gini.

    >>> spend = np.arange(20.0)
    >>> round(standard_error(spend, spend, samples=50, seed=0), 6)
    0.0
    """
    return float(_resampled(future_spend, (prediction,), samples, seed)[:, 0].std(ddof=1))


def floats(values: ArrayLike) -> Floats:
    """Convert values to an array of float64.

    >>> floats([1, 2])
    array([1., 2.])
    """
    return np.asarray(values, dtype=np.float64)


def _resampled(future_spend: ArrayLike, predictions: tuple[ArrayLike, ...], samples: int, seed: int) -> Floats:
    """Normalized Gini of each prediction in each bootstrap sample; shape (samples, predictions).

    A sample is a count per user. Users are sorted once, not once per sample, so the time is linear in the users.
    """
    spend = np.maximum(floats(future_spend), 0)
    perfect, orders = groups(spend), [groups(prediction) for prediction in predictions]
    random, users = np.random.default_rng(seed), len(spend)
    result = np.empty((samples, len(orders)))
    for row in result:
        counts = np.bincount(random.integers(users, size=users), minlength=users).astype(np.float64)
        best = _area(spend, perfect, counts)
        row[:] = [_area(spend, order, counts) / best if best > 0 else 0.0 for order in orders]
    return result


def _area(spend: Floats, group: NDArray[np.intp], counts: Floats) -> float:
    """Twice the area between the diagonal and the curve of cumulative spend, linear within groups of ties."""
    users, money = np.bincount(group, counts), np.bincount(group, counts * spend)
    total = money.sum()
    if total <= 0:
        return 0.0
    middle = np.cumsum(money) - money / 2
    return float(2 * (users @ middle) / (users.sum() * total) - 1)
