"""The canary set: users of the test snapshot with their predictions, which check a deployment.

It is an artifact of the retraining run. Whoever loads the model later predicts the same users again and compares.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the service imports only the file name
    import pandas as pd

    from models.purchasing_power import PurchasingPower

CANARY_FILE = "canary.parquet"
USERS = 256
"""Maximum number of users in the set."""
PREDICTED = ("expected_spend", "spend_low", "spend_high", "purchase_probability", "score", "tier")
"""Predicted columns in the file, as `predicted_<name>`; features keep their own names."""


def canary_set(features: "pd.DataFrame", predictions: "pd.DataFrame", model: "PurchasingPower") -> "pd.DataFrame":
    """Select up to `USERS` users, evenly spaced by score so that every tier is among them; nothing names them.

    Args:
        features: features of the users of the test snapshot.
        predictions: output of `predict_spend` for the same users.
        model: the model; its features are stored.

    Returns:
        The model's features, and `predicted_<name>` for each name in `PREDICTED`.

    >>> import pandas as pd
    >>> from types import SimpleNamespace
    >>> predictions = pd.DataFrame({name: [1.0, 2.0] for name in PREDICTED})
    >>> features, model = pd.DataFrame({"T": [10, 20], "other": 0}), SimpleNamespace(feature_names=("T",))
    >>> canary_set(features, predictions, model).columns[:2].tolist()
    ['T', 'predicted_expected_spend']
    """
    order = predictions["score"].argsort(kind="stable").to_numpy()
    chosen = order[:: -(-len(order) // USERS)] if len(order) else order
    stored = features[list(model.feature_names)].assign(
        **{f"predicted_{name}": predictions[name] for name in PREDICTED}
    )
    return stored.iloc[chosen].reset_index(drop=True)
