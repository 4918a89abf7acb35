"""Several models on the same users: the measures of each and the first one's lead, with standard errors."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from models.measures.gini import Floats, floats, normalized_gini
from models.measures.metrics import area_under_roc
from models.protocol import LabelledUsers

MEASURES = ("ngini", "auc", "mae")


def compare(users: LabelledUsers, said: Mapping[str, pd.DataFrame], samples: int = 200, seed: int = 0) -> pd.DataFrame:
    """Measure nGini, AUC and mean absolute error.

    Standard errors are from a bootstrap over users, the same ones for all models, so that what moves all alike cancels
    out of a difference.

    Args:
        users: whom the models speak of, one row per user.
        said: by model, expected_spend (in the money of `future_spend`) and purchase_probability, row for row.
        samples: of the bootstrap, at least 2.
        seed: of it.

    Returns:
        One row per model: ngini, auc, mae; `lead_<measure>`, the first model's less this one's; and of each the
        standard error as `<column>_se`.

    Raises:
        ValueError: no users.
    """
    if not len(users):
        raise ValueError("Expected at least one user to measure, found none: choose a snapshot that has users.")
    random, everyone = np.random.default_rng(seed), np.arange(len(users))
    true, bought = floats(users.future_spend), np.asarray(users.purchased, dtype=bool)
    columns = [(floats(one["expected_spend"]), floats(one["purchase_probability"])) for one in said.values()]

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
    values = pd.DataFrame(measured(everyone), list(said), names)
    errors = pd.DataFrame(drawn.std(axis=0, ddof=1), list(said), [f"{name}_se" for name in names])
    return pd.concat([values, errors], axis=1)
