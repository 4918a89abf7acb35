"""The normalized Gini coefficient, the first measure of Purse, and how sure a difference in it is."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def normalized_gini(future_spend: ArrayLike, prediction: ArrayLike) -> float:
    """How well the prediction orders users by spend: 1 is the perfect order, 0 is no order, below 0 is reversed.

    Users are taken from the highest prediction down; twice the area between the diagonal and their cumulative share of
    spend is divided by the same for the perfect order. Tied users share their average, net spend below 0 counts as 0.
    0 if everyone spends the same.
    """
    spend = np.maximum(floats(future_spend), 0)
    ones = np.ones_like(spend)
    best = _area(spend, groups(spend), ones)
    return _area(spend, groups(prediction), ones) / best if best > 0 else 0.0


def groups(prediction: ArrayLike) -> NDArray[np.intp]:
    """Number the distinct predictions from the highest, 0, down; tied users are in one group."""
    return np.unique(-floats(prediction), return_inverse=True)[1]


def paired_bootstrap(
    future_spend: ArrayLike, challenger: ArrayLike, champion: ArrayLike, samples: int, seed: int
) -> tuple[float, float, float]:
    """Compare the normalized Gini of two models on the same users.

    Users are drawn with replacement, the same ones for both models, so what moves both alike cancels out.

    Returns:
        the difference challenger - champion on all users, its standard error, and the share of samples in which the
        challenger is better (a tie counts half).
    """
    differences = _resampled(future_spend, (challenger, champion), samples, seed) @ np.array([1.0, -1.0])
    estimate = normalized_gini(future_spend, challenger) - normalized_gini(future_spend, champion)
    better = float(((differences > 0) + 0.5 * (differences == 0)).mean())
    return estimate, float(differences.std(ddof=1)) if samples > 1 else 0.0, better


def bootstrap_interval(
    future_spend: ArrayLike, prediction: ArrayLike, samples: int, seed: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Bounds of one model's normalized Gini: percentiles of the bootstrap over users."""
    ginis = _resampled(future_spend, (prediction,), samples, seed)[:, 0]
    low, high = np.quantile(ginis, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def standard_error(future_spend: ArrayLike, prediction: ArrayLike, samples: int, seed: int) -> float:
    """Standard error of one model's normalized Gini, by bootstrap over users."""
    return float(_resampled(future_spend, (prediction,), samples, seed)[:, 0].std(ddof=1))


def floats(values: ArrayLike) -> Floats:
    """The values as an array of floats."""
    return np.asarray(values, dtype=np.float64)


def _resampled(future_spend: ArrayLike, predictions: tuple[ArrayLike, ...], samples: int, seed: int) -> Floats:
    """Normalized Gini of each prediction in each sample of users; shape (samples, predictions).

    A sample is a count per user. Users are sorted once and not once a sample, which makes this linear in the users.
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
    """Twice the area between the diagonal and the curve of cumulative spend, straight inside each group of ties."""
    users, money = np.bincount(group, counts), np.bincount(group, counts * spend)
    total = money.sum()
    if total <= 0:
        return 0.0
    middle = np.cumsum(money) - money / 2
    return float(2 * (users @ middle) / (users.sum() * total) - 1)
