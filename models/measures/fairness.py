"""Whether the model serves groups of users equally well: each group against everyone else, with standard errors.

What a group spends is a fact about it; a difference in bias, order or recall (`JUDGED`) is the model's.

Every measure is a smooth function of means over users, so its error is, to first order, the mean of one influence value
per user, and its variance the sum of their squares over n² (the infinitesimal jackknife; Efron 1982, chapter 6). For
the AUC that is DeLong, DeLong & Clarke-Pearson (1988). A group and the rest are different users: their variances add.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control, norm, rankdata

from models.measures.gini import Floats, floats, groups
from models.measures.metrics import true_tiers
from models.measures.names import JUDGED
from models.predictions import HIGH, LOW, MID

Estimate: TypeAlias = tuple[float, Floats]
"""A measure and the influence of each user on it; NaN where the users don't define it."""

FALSE_DISCOVERIES = 0.05
"""Share of the flagged differences that may be chance (Benjamini & Hochberg 1995), over all groups and measures."""


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
        purchased: whether they bought at all.
        predictions: expected_spend, purchase_probability and tier of the same users.
        members: of each group, which users are in it.
        tier_shares: see `models.metrics.true_tiers`.
        min_users: groups with fewer, or that leave fewer, are left out.

    Returns:
        One row per group and measure: group, users, measure, value, rest (the same of everyone else), difference,
        standard_error, p_value (two-sided, normal) and flagged. Measures: mean_spend and mean_expected (money), bias,
        ngini, auc, high_share, mid_share, low_share (of the users), and high_recall: of those who turned out to be in
        the highest tier, the share that was said to be. NaN where undefined; only `JUDGED` ones have a p_value.
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
            (ours, influence), (rest, rest_influence) = estimate(users[inside]), estimate(users[~inside])
            error = float(np.hypot(_standard_error(influence), _standard_error(rest_influence)))
            row = {"group": group, "users": int(inside.sum()), "measure": measure, "value": ours, "rest": rest}
            rows.append({**row, "difference": ours - rest, "standard_error": error})
    columns = ["group", "users", "measure", "value", "rest", "difference", "standard_error"]
    return _judged(pd.DataFrame(rows, columns=columns))


def _judged(table: pd.DataFrame) -> pd.DataFrame:
    """With p-values, and a flag on those that are too small for chance among so many."""
    testable = table["measure"].isin(JUDGED) & (table["standard_error"] > 0)
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
    """Of two means."""
    above, below = floats(top), np.broadcast_to(floats(bottom), len(top))
    if below.mean() <= 0:
        return _undefined(len(above))
    value = above.mean() / below.mean()
    return float(value), (above - value * below) / below.mean()


def _bias(users: pd.DataFrame) -> Estimate:
    value, influence = _ratio(users["expected"], users["spend"])
    return value - 1, influence


def _ngini(users: pd.DataFrame) -> Estimate:
    """`models.gini.normalized_gini`: the ratio of two concentration indices of the same users."""
    spend = np.maximum(floats(users["spend"]), 0)
    if np.ptp(spend) == 0:
        return _undefined(len(spend))
    (ours, by_ours), (best, by_best) = _concentration(spend, floats(users["expected"])), _concentration(spend, spend)
    return ours / best, (by_ours - ours / best * by_best) / best


def _concentration(spend: Floats, prediction: Floats) -> Estimate:
    """2 θ / μ - 1; θ is the mean over pairs of users of the spend of the one with the higher prediction, ties half.

    θ is a U-statistic: a user's influence is what they add as the higher and as the lower one of a pair.
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
    # of each user, the share of the other kind that is ordered rightly
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
