"""Quality of predicted spend: order first, then level, then tiers.

Rules for every measure: `future_spend` is net money in the horizon. Negative net spend counts as 0 where shares of
spend are meant. Users with equal predictions share their average, so the order of rows never matters. A measure that
the data cannot define takes the neutral value in its docstring instead of NaN.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from models.measures.gini import Floats, floats, groups, normalized_gini
from models.predictions import HIGH, LOW, MID

TAIL = 0.995
"""Quantile at which `_capped` measures clip true spend: one buyer of 444,000 can be 2 % of a shop's month."""


def measure(
    future_spend: ArrayLike,
    purchased: ArrayLike,
    expected_spend: ArrayLike,
    purchase_probability: ArrayLike,
    tier: ArrayLike | None = None,
    *,
    tier_shares: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Measure one model on one snapshot; arrays have shape (users,), results are finite except `bias`.

    `tier` adds `tier_measures`. `bias` is infinite if nobody spends and the model predicts spend.

    Raises:
        ValueError: no users, or users whose spend is unknown.

    >>> values = measure([0.0, 0.0, 10.0], [False, False, True], [1.0, 2.0, 9.0], [0.1, 0.2, 0.9])
    >>> values["ngini"], round(values["bias"], 2), values["mae"]
    (1.0, 0.2, 1.3333333333333333)
    """
    true, expected = floats(future_spend), floats(expected_spend)
    if not len(true):
        raise ValueError("Expected at least one user to measure, found none: choose a snapshot that has users.")
    if unknown := int(np.isnan(true).sum()):
        raise ValueError(
            f"Expected the spend of every user, found {unknown} of {len(true)} unknown: "
            "measure on a snapshot whose horizon is over."
        )
    capped = np.minimum(true, np.quantile(true, TAIL))
    error = expected - true
    values = {
        "ngini": normalized_gini(true, expected),
        "ngini_capped": normalized_gini(capped, expected),
        "bias": relative_bias(true, expected),
        **_deciles(true, expected),
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "r2": r_squared(true, expected),
        "r2_capped": r_squared(capped, expected),
        "auc": area_under_roc(purchased, purchase_probability),
        "spearman": rank_correlation(true, expected),
    }
    for percent in (10, 20):
        values[f"top{percent}_capture"] = capture(true, expected, percent / 100)
        values[f"top{percent}_capture_perfect"] = capture(true, true, percent / 100)
    return values if tier is None else values | tier_measures(true, tier, tier_shares)


def relative_bias(future_spend: ArrayLike, expected_spend: ArrayLike) -> float:
    """Predicted total over true total, minus 1; 0 if both are 0.

    >>> round(relative_bias([10.0, 0.0], [6.0, 6.0]), 2)
    0.2
    """
    true, expected = float(np.sum(floats(future_spend))), float(np.sum(floats(expected_spend)))
    if true == 0:
        return 0.0 if expected == 0 else float("inf")
    return expected / true - 1


def capture(future_spend: ArrayLike, prediction: ArrayLike, share: float) -> float:
    """Share of all spend by the `share` of users with the highest predictions; `share` if nobody spends.

    >>> capture([0.0, 1.0, 9.0, 0.0], [1.0, 2.0, 3.0, 0.0], share=0.25)
    0.9
    """
    spend = _in_predicted_order(np.maximum(floats(future_spend), 0), floats(prediction))
    total = spend.sum()
    return float(spend[: round(share * len(spend))].sum() / total) if total > 0 else share


def area_under_roc(purchased: ArrayLike, probability: ArrayLike) -> float:
    """Probability that a buyer is predicted higher than a non-buyer, ties half; 0.5 if all or none bought.

    >>> area_under_roc([True, False, False], [0.9, 0.9, 0.1])
    0.75
    """
    bought = np.asarray(purchased, dtype=bool)
    buyers, others = int(bought.sum()), int((~bought).sum())
    if not buyers or not others:
        return 0.5
    return float((rankdata(floats(probability))[bought].sum() - buyers * (buyers + 1) / 2) / (buyers * others))


def true_tiers(future_spend: ArrayLike, shares: Mapping[str, float] | None = None) -> NDArray[np.str_]:
    """Tier of each user by quantiles of true spend.

    `shares` are the shares of `high` and `mid`, 0.2 and 0.3 by default; the rest is `low`, including users tied with
    its upper bound: a user who spends nothing is never `mid`, however few others spend.

    >>> true_tiers([0.0, 0.0, 0.0, 5.0, 9.0], {"high": 0.2, "mid": 0.2}).tolist()
    ['low', 'low', 'low', 'mid', 'high']
    """
    shares = shares or {HIGH: 0.2, MID: 0.3}
    spend = floats(future_spend)
    high, mid = np.quantile(spend, [1 - shares[HIGH], 1 - shares[HIGH] - shares[MID]])
    return np.where(spend > high, HIGH, np.where(spend > mid, MID, LOW))


def tier_measures(
    future_spend: ArrayLike, tier: ArrayLike, shares: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Precision, recall and F1 of the tier `high`, and accuracy over the three tiers; 0 without cases.

    >>> predicted = ["low", "high", "mid", "high"]
    >>> tier_measures([0.0, 0.0, 5.0, 9.0], predicted, {"high": 0.25, "mid": 0.25})["high_precision"]
    0.5
    """
    truth, predicted = true_tiers(future_spend, shares), np.asarray(tier, dtype=str)
    true_high, predicted_high = truth == HIGH, predicted == HIGH
    hits = int((true_high & predicted_high).sum())
    return {
        "high_precision": hits / max(int(predicted_high.sum()), 1),
        "high_recall": hits / max(int(true_high.sum()), 1),
        "high_f1": 2 * hits / max(int(predicted_high.sum() + true_high.sum()), 1),
        "tier_accuracy": float((truth == predicted).mean()),
    }


def _in_predicted_order(spend: Floats, prediction: Floats) -> Floats:
    """True spend by descending prediction, tied users at their average."""
    group = groups(prediction)
    users = np.bincount(group)
    return np.repeat(np.bincount(group, spend) / users, users)


def _deciles(true: Floats, expected: Floats) -> dict[str, float]:
    """Errors of the means of ten groups by prediction; WAPE weighs groups by true spend, MAPE skips groups without any.

    Both are 0 if no group has positive spend.
    """
    truth = np.array([part.mean() for part in np.array_split(_in_predicted_order(true, expected), 10) if len(part)])
    predicted = np.array([part.mean() for part in np.array_split(np.sort(expected)[::-1], 10) if len(part)])
    error, spending = np.abs(predicted - truth), truth > 0
    if not spending.any():
        return {"decile_wape": 0.0, "decile_mape": 0.0}
    wape = error.sum() / truth.sum() if truth.sum() > 0 else 0.0
    return {"decile_wape": float(wape), "decile_mape": float((error[spending] / truth[spending]).mean())}


def r_squared(true: Floats, expected: Floats) -> float:
    """Explained share of the variance; 0 if everyone spends the same.

    >>> r_squared(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    1.0
    """
    variance = float(((true - true.mean()) ** 2).sum())
    return 1 - float(((true - expected) ** 2).sum()) / variance if variance > 0 else 0.0


def rank_correlation(left: Floats, right: Floats) -> float:
    """Spearman's correlation, tied values at their mean rank; 0 if either is constant.

    >>> round(rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([1.0, 9.0, 10.0])), 6)
    1.0
    """
    if np.ptp(left) == 0 or np.ptp(right) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(left), rankdata(right))[0, 1])


def coverage(future_spend: ArrayLike, low: ArrayLike, high: ArrayLike) -> float:
    """Share of users whose spend (at least 0) lies within its interval, bounds included.

    >>> coverage([0.0, 5.0, 50.0], low=[0.0, 1.0, 1.0], high=[1.0, 9.0, 9.0])
    0.6666666666666666
    """
    true = np.maximum(floats(future_spend), 0)
    return float(((true >= floats(low)) & (true <= floats(high))).mean())
