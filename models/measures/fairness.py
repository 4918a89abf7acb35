"""Compare groups of users: measures of each group against all other users, with standard errors.

What a group spends is a fact about it; a difference in bias, order or recall (`TESTED`) is the model's.

Every measure is a smooth function of means over users. Its error is, to first order, the mean of one influence value
per user, and its variance the sum of their squares over n² (the infinitesimal jackknife; Efron 1982, chapter 6). For
the AUC this is the method of DeLong, DeLong & Clarke-Pearson (1988). A group and the rest are different users, so their
variances add.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control, norm, rankdata

from models.measures.gini import Floats, floats, groups
from models.measures.metrics import true_tiers
from models.measures.names import TESTED
from models.predictions import HIGH, LOW, MID

Estimate: TypeAlias = tuple[float, Floats]
"""A measure and each user's influence on it; NaN where the users do not define it."""

FALSE_DISCOVERIES = 0.05
"""Accepted share of false flags (Benjamini & Hochberg 1995), over all groups and measures."""


def compare(
    future_spend: ArrayLike,
    purchased: ArrayLike,
    predictions: pd.DataFrame,
    members: Mapping[str, NDArray[np.bool_]],
    *,
    tier_shares: Mapping[str, float] | None = None,
    min_users: int = 1,
) -> pd.DataFrame:
    """Measure each group and the rest of the users.

    Args:
        future_spend: net spend of each user in the horizon, in money.
        purchased: True for users who bought.
        predictions: expected_spend, purchase_probability and tier of the same users.
        members: by group, a mask of its users.
        tier_shares: see `models.measures.metrics.true_tiers`.
        min_users: minimum size of a group and of the rest; smaller groups are left out.

    Returns:
        One row per group and measure: group, users, measure, value, rest (value of all other users), difference,
            standard_error, p_value (two-sided, normal) and flagged. Measures: mean_spend and mean_expected (money),
            bias, ngini, auc, high_share, mid_share, low_share (of the users), and high_recall (share of the truly high
            users predicted as high). NaN where undefined; only `TESTED` measures have a p_value.

    >>> spend, north = np.array([0.0, 10.0, 0.0, 10.0]), np.array([True, True, False, False])
    >>> predictions = pd.DataFrame({"expected_spend": [0, 20, 0, 10], "purchase_probability": 0.5, "tier": "low"})
    >>> table = compare(spend, spend > 0, predictions, {"north": north})
    >>> table.loc[table["measure"] == "bias", ["value", "rest"]].to_numpy().tolist()
    [[1.0, 0.0]]
    """
    users = pd.DataFrame(
        {
            "spend": floats(future_spend),
            "bought": np.asarray(purchased, dtype=bool),
            "expected": predictions["expected_spend"].to_numpy(),
            "probability": predictions["purchase_probability"].to_numpy(),
            "tier": predictions["tier"].to_numpy(),
            "true_tier": true_tiers(future_spend, tier_shares),
        }
    )
    rows = []
    for group, inside in members.items():
        if min(inside.sum(), (~inside).sum()) < max(min_users, 1):
            continue
        for measure, estimate in MEASURES.items():
            (value, influence), (rest, rest_influence) = estimate(users[inside]), estimate(users[~inside])
            error = float(np.hypot(_standard_error(influence), _standard_error(rest_influence)))
            row = {"group": group, "users": int(inside.sum()), "measure": measure, "value": value, "rest": rest}
            rows.append({**row, "difference": value - rest, "standard_error": error})
    columns = ["group", "users", "measure", "value", "rest", "difference", "standard_error"]
    return _tested(pd.DataFrame(rows, columns=columns))


def _tested(table: pd.DataFrame) -> pd.DataFrame:
    """Add p-values, and flag differences that survive the false discovery control."""
    testable = table["measure"].isin(TESTED) & (table["standard_error"] > 0)
    ratio = table["difference"].abs() / table["standard_error"].where(testable)
    table["p_value"] = 2 * norm.sf(ratio.astype(float))
    tested = table["p_value"].notna()
    table["flagged"] = False
    if tested.any():
        table.loc[tested, "flagged"] = false_discovery_control(table.loc[tested, "p_value"]) <= FALSE_DISCOVERIES
    return table


def _standard_error(influence: Floats) -> float:
    return float(np.sqrt((influence**2).sum()) / len(influence))


def _ratio(top: pd.Series, bottom: pd.Series | float = 1.0) -> Estimate:
    """Ratio of two means."""
    above, below = floats(top), np.broadcast_to(floats(bottom), len(top))
    if below.mean() <= 0:
        return _undefined(len(above))
    value = above.mean() / below.mean()
    return float(value), (above - value * below) / below.mean()


def _bias(users: pd.DataFrame) -> Estimate:
    value, influence = _ratio(users["expected"], users["spend"])
    return value - 1, influence


def _ngini(users: pd.DataFrame) -> Estimate:
    """Normalized Gini (`models.measures.gini`) as the ratio of two concentration indices of the same users."""
    spend = np.maximum(floats(users["spend"]), 0)
    if np.ptp(spend) == 0:
        return _undefined(len(spend))
    (value, by_value), (best, by_best) = _concentration(spend, floats(users["expected"])), _concentration(spend, spend)
    return value / best, (by_value - value / best * by_best) / best


def _concentration(spend: Floats, prediction: Floats) -> Estimate:
    """Concentration index 2 θ / μ - 1.

    θ averages, over pairs of users, the spend of the one predicted higher; ties count half. It is a U-statistic: a
    user's influence is their contribution as the higher and as the lower member of pairs.
    """
    group, mean, size = groups(prediction), spend.mean(), len(spend)
    users, money = np.bincount(group), np.bincount(group, spend)
    below = (1 - (np.cumsum(users) - users / 2) / size)[group]
    above = ((np.cumsum(money) - money / 2) / size)[group]
    theta = float((spend * below).mean())
    influence = (spend * below + above - 2 * theta) / mean - theta * (spend - mean) / mean**2
    return 2 * theta / mean - 1, 2 * influence


def _auc(users: pd.DataFrame) -> Estimate:
    bought, probability = users["bought"].to_numpy(), floats(users["probability"])
    buyers, others = int(bought.sum()), int((~bought).sum())
    if not buyers or not others:
        return _undefined(len(bought))
    # share of the other class that each user is ranked correctly against
    right = rankdata(probability)
    right[bought] = (right[bought] - rankdata(probability[bought])) / others
    right[~bought] = 1 - (right[~bought] - rankdata(probability[~bought])) / buyers
    value = float(right[bought].mean())
    return value, (right - value) * len(bought) / np.where(bought, buyers, others)


def _high_recall(users: pd.DataFrame) -> Estimate:
    high = users["true_tier"] == HIGH
    return _ratio(high & (users["tier"] == HIGH), high)


def _undefined(size: int) -> Estimate:
    return float("nan"), np.full(size, np.nan)


MEASURES: Mapping[str, Callable[[pd.DataFrame], Estimate]] = {
    "mean_spend": lambda users: _ratio(users["spend"]),
    "mean_expected": lambda users: _ratio(users["expected"]),
    "bias": _bias,
    "ngini": _ngini,
    "auc": _auc,
    "high_share": lambda users: _ratio(users["tier"] == HIGH),
    "mid_share": lambda users: _ratio(users["tier"] == MID),
    "low_share": lambda users: _ratio(users["tier"] == LOW),
    "high_recall": _high_recall,
}
"""Measures by name."""
