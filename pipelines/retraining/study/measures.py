"""What a trial is worth: the measures of its folds brought together, and the objective that the sweep maximises."""

from collections.abc import Sequence

import numpy as np

Measures = dict[str, float]

BIAS_PENALTY = 0.1
"""nGini taken off for each time the true total by which a predicted total lies outside `sweep.max_abs_bias`."""


def summarise(folds: Sequence[Measures], by_users: Sequence[Sequence[Measures]], max_abs_bias: float) -> Measures:
    """All measures of a trial under the same names for every family.

    Args:
        folds: the measures of each temporal fold, all its users together.
        by_users: of each temporal fold, the measures of each user fold; empty where users are not parted.
        max_abs_bias: see `objective`.

    Returns:
        `objective`, the mean over the temporal folds. Of each measure `validation_<measure>`, its mean over the
        temporal folds; `validation_<measure>_fold_1` and so on; where users are parted `..._fold_1_users_1` and so on;
        and `validation_<measure>_sd`, the standard deviation over the smallest of these folds, if there are several.
    """
    names = folds[0].keys()
    values = {f"validation_{name}": float(np.mean([fold[name] for fold in folds])) for name in names}
    for number, (fold, users) in enumerate(zip(folds, by_users, strict=True), start=1):
        values |= {f"validation_{name}_fold_{number}": value for name, value in fold.items()}
        for part, measures in enumerate(users, start=1):
            values |= {f"validation_{name}_fold_{number}_users_{part}": value for name, value in measures.items()}
    smallest = [m for fold, users in zip(folds, by_users, strict=True) for m in users or [fold]]
    if len(smallest) > 1:
        # an infinite bias has no deviation
        with np.errstate(invalid="ignore"):
            values |= {f"validation_{name}_sd": float(np.std([m[name] for m in smallest], ddof=1)) for name in names}
    return values | {"objective": float(np.mean([objective(fold, max_abs_bias) for fold in folds]))}


def objective(measures: Measures, max_abs_bias: float) -> float:
    """nGini, less `BIAS_PENALTY` for each unit of |bias| above `max_abs_bias`; never less by more than 1.

    The level of the final model is a forecast of its own, so that the guard is wide: it stops a family whose amounts
    are gross nonsense, and leaves a season that lifts all of them alone.
    """
    beyond = max(abs(measures["bias"]) - max_abs_bias, 0.0)
    return measures["ngini"] - min(BIAS_PENALTY * beyond, 1.0)
