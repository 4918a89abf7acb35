"""How much of the order of users hangs on each measure, asked of the model itself and of no imitation of it."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from features.feature import SEQUENCE
from models.encoding import measure_of
from models.measures.gini import floats, normalized_gini


def columns_by_measure(features: pd.DataFrame) -> dict[str, list[str]]:
    """The windows of each measure, which stand in for one another; all sequences are one, of the same actions."""
    found: dict[str, list[str]] = {}
    for name in features.columns:
        measure = "sequence of purchases" if name.startswith(SEQUENCE) else measure_of(name)
        found.setdefault(measure, []).append(name)
    return found


def permutation_importance(
    predict: Callable[[pd.DataFrame], NDArray[np.float64]],
    features: pd.DataFrame,
    future_spend: ArrayLike,
    columns: Mapping[str, Sequence[str]],
    *,
    users: int = 2_000,
    repeats: int = 3,
    seed: int = 0,
) -> pd.DataFrame:
    """Say how much nGini is lost when the columns of a measure are shuffled among users, together (Breiman 2001).

    Args:
        predict: expected spend of users.
        features: of the users.
        future_spend: what they spent.
        columns: of each measure.
        users: size of the random sample that it is measured on.
        repeats: shuffles of each measure.
        seed: of sample and shuffles.

    Returns:
        measure, lost_ngini (mean over the shuffles) and spread (their standard deviation); largest loss first.
    """
    random = np.random.default_rng(seed)
    rows = np.sort(random.permutation(len(features))[:users])
    sample, spend = features.iloc[rows].reset_index(drop=True), floats(future_spend)[rows]
    whole = normalized_gini(spend, predict(sample))
    result = []
    for measure, names in columns.items():
        lost = []
        for _ in range(repeats):
            order = random.permutation(len(sample))
            shuffled = sample.assign(**{name: sample[name].to_numpy()[order] for name in names})
            lost.append(whole - normalized_gini(spend, predict(shuffled)))
        result.append({"measure": measure, "lost_ngini": float(np.mean(lost)), "spread": float(np.std(lost))})
    table = pd.DataFrame(result, columns=["measure", "lost_ngini", "spread"])
    return table.sort_values("lost_ngini", ascending=False, kind="stable", ignore_index=True)
