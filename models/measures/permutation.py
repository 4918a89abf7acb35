"""Permutation importance: the part of the ranking that depends on each measure, from the model itself."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from features.feature import SEQUENCE
from models.encoding import measure_of
from models.measures.gini import floats, normalized_gini


def columns_by_measure(features: pd.DataFrame) -> dict[str, list[str]]:
    """Group columns by measure, because its windows replace one another; all sequences form one group.

    >>> columns_by_measure(pd.DataFrame(columns=["spend_28d", "spend_91d", "T"]))
    {'spend': ['spend_28d', 'spend_91d'], 'T': ['T']}
    """
    columns: dict[str, list[str]] = {}
    for name in features.columns:
        measure = "sequence of purchases" if name.startswith(SEQUENCE) else measure_of(name)
        columns.setdefault(measure, []).append(name)
    return columns


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
    """Measure the nGini lost when a measure's columns are shuffled together among users (Breiman 2001).

    Args:
        predict: maps features to expected spend; shape (users,).
        features: features of the users.
        future_spend: true spend of the users.
        columns: columns of each measure.
        users: size of the random sample.
        repeats: shuffles per measure.
        seed: seed of sample and shuffles.

    Returns:
        measure, lost_ngini (mean over the shuffles) and spread (their standard deviation); largest loss first.

    >>> features = pd.DataFrame({"spend_28d": np.arange(50.0), "T": 1.0})
    >>> table = permutation_importance(
    ...     lambda users: users["spend_28d"].to_numpy(), features, features["spend_28d"], columns_by_measure(features)
    ... )
    >>> table["measure"].tolist(), table["lost_ngini"].iloc[1].item()
    (['spend', 'T'], 0.0)
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
