"""Aggregate the measures of a trial's folds and compute the objective that the sweep maximises."""

from collections.abc import Sequence

import numpy as np

Measures = dict[str, float]

BIAS_PENALTY = 0.1
"""Loss of nGini per unit of |bias| above `sweep.max_abs_bias`; one unit of bias is the true total."""


def summarise(folds: Sequence[Measures], by_users: Sequence[Sequence[Measures]], max_abs_bias: float) -> Measures:
    """Aggregate a trial's measures under names that are the same for every family.

    Args:
        folds: measures of each temporal fold, over all its users.
        by_users: measures of each user fold, by temporal fold; empty without user folds.
        max_abs_bias: see `objective`.

    Returns:
        `objective`: mean over the temporal folds. For each measure: `validation_<measure>`, the mean over the temporal
        folds; `validation_<measure>_fold_1` and so on; with user folds `..._fold_1_users_1` and so on; and
        `validation_<measure>_sd`, the standard deviation over the smallest of these folds, if there are several.
    """
    names = folds[0].keys()
    values = {f"validation_{name}": float(np.mean([fold[name] for fold in folds])) for name in names}
    for number, (fold, users) in enumerate(zip(folds, by_users, strict=True), start=1):
        values |= {f"validation_{name}_fold_{number}": value for name, value in fold.items()}
        for part, measures in enumerate(users, start=1):
            values |= {f"validation_{name}_fold_{number}_users_{part}": value for name, value in measures.items()}
    smallest = [m for fold, users in zip(folds, by_users, strict=True) for m in users or [fold]]
    if len(smallest) > 1:
        # the standard deviation of an infinite bias is NaN
        with np.errstate(invalid="ignore"):
            values |= {f"validation_{name}_sd": float(np.std([m[name] for m in smallest], ddof=1)) for name in names}
    return values | {"objective": float(np.mean([objective(fold, max_abs_bias) for fold in folds]))}


def objective(measures: Measures, max_abs_bias: float) -> float:
    """Normalized Gini minus `BIAS_PENALTY` per unit of |bias| above `max_abs_bias`; the penalty is at most 1.

    The limit is wide because the final model takes its level from a separate forecast: the penalty rejects a family
    with absurd amounts, but not a season that lifts the spend of all users.
    """
    beyond = max(abs(measures["bias"]) - max_abs_bias, 0.0)
    return measures["ngini"] - min(BIAS_PENALTY * beyond, 1.0)
