"""The canary set: some users of the test snapshot and what was said of them, by which a deployment is checked.

It is an artifact of the retraining's run, so that whoever loads the model later can ask it the same and compare.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # who only looks for the file, as the service does, needs neither
    import pandas as pd

    from models.purchasing_power import PurchasingPower

CANARY_FILE = "canary.parquet"
USERS = 256
SAID = ("expected_spend", "spend_low", "spend_high", "purchase_probability", "score", "tier")
"""Columns of what the model said, as `said_<name>`; the features have their own names."""


def canary_set(
    user_id: "pd.Series", features: "pd.DataFrame", said: "pd.DataFrame", model: "PurchasingPower"
) -> "pd.DataFrame":
    """Up to `USERS` users, evenly over the range of the scores so that every tier is among them.

    Args:
        user_id: of the users of the test snapshot.
        features: of the same users.
        said: what the model says of them, as `predict_spend` gives it.
        model: whose features are kept.

    Returns:
        `user_id`, the model's features, and `said_<name>` of `SAID`.
    """
    order = said["score"].argsort(kind="stable").to_numpy()
    chosen = order[:: -(-len(order) // USERS)] if len(order) else order
    kept = features[list(model.feature_names)].assign(**{f"said_{name}": said[name] for name in SAID})
    kept.insert(0, "user_id", user_id)
    return kept.iloc[chosen].reset_index(drop=True)
