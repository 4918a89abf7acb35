"""Compare models on the same users: each one's measures and the first one's lead, with standard errors."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from models.measures.gini import Floats, floats, normalized_gini
from models.measures.metrics import area_under_roc
from models.protocol import LabelledUsers

MEASURES = ("ngini", "auc", "mae")
"""Measures in the comparison."""


def compare(
    users: LabelledUsers, predictions: Mapping[str, pd.DataFrame], samples: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Compare nGini, AUC and mean absolute error of several models.

    Standard errors come from a bootstrap over users with the same samples for all models, so that common effects cancel
    out of differences.

    Args:
        users: users with labels, one row per user.
        predictions: by model, expected_spend (in the money of `future_spend`) and purchase_probability, row for row.
        samples: bootstrap samples, at least 2.
        seed: seed of the bootstrap.

    Returns:
        One row per model: ngini, auc, mae; `lead_<measure>`, the first model's value minus this model's; and the
            standard error of each as `<column>_se`.

    Raises:
        ValueError: no users.

    >>> features, spend = pd.DataFrame(index=range(4)), pd.Series([0.0, 0.0, 5.0, 9.0])
    >>> models = {"good": pd.DataFrame({"expected_spend": spend, "purchase_probability": spend / 10})}
    >>> compare(LabelledUsers(features, spend, spend > 0), models, samples=5)[["ngini", "auc", "mae"]]
          ngini  auc  mae
    good    1.0  1.0  0.0
    """
    if not len(users):
        raise ValueError("Expected at least one user to measure, found none: choose a snapshot that has users.")
    random, everyone = np.random.default_rng(seed), np.arange(len(users))
    true, bought = floats(users.future_spend), np.asarray(users.purchased, dtype=bool)
    columns = [(floats(part["expected_spend"]), floats(part["purchase_probability"])) for part in predictions.values()]

    def measured(rows: "np.ndarray[tuple[int], np.dtype[np.intp]]") -> Floats:
        values = [
            (
                normalized_gini(true[rows], spend[rows]),
                area_under_roc(bought[rows], probability[rows]),
                np.abs(spend[rows] - true[rows]).mean(),
            )
            for spend, probability in columns
        ]
        return np.hstack([values, np.array(values[0]) - values])

    names = [*MEASURES, *(f"lead_{name}" for name in MEASURES)]
    drawn = np.array([measured(random.integers(len(users), size=len(users))) for _ in range(samples)])
    values = pd.DataFrame(measured(everyone), list(predictions), names)
    errors = pd.DataFrame(drawn.std(axis=0, ddof=1), list(predictions), [f"{name}_se" for name in names])
    return pd.concat([values, errors], axis=1)


def bias_error(future_spend: ArrayLike, expected_spend: ArrayLike) -> float:
    """Standard error of `relative_bias` over samples of users, by linearisation; infinite if nobody spends.

    The total of a small shop, or of one whose few large buyers make most of it, differs from window to window by
    chance. A ratio of totals r has the standard error of the sum of expected - r * true.

    >>> round(bias_error([0.0, 10.0, 20.0, 10.0], [10.0, 10.0, 10.0, 10.0]), 3)
    0.408
    """
    true, expected = floats(future_spend), floats(expected_spend)
    total = float(true.sum())
    if total <= 0:
        return float("inf")
    residuals = expected - true * expected.sum() / total
    users = len(true)
    return float(np.sqrt((residuals**2).sum() * users / max(users - 1, 1)) / total)
