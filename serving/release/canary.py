"""Canary test of a release: predictions equal to those of evaluation, and latency."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

TOLERANCE = 1e-6
"""Maximum difference of a prediction; relative where its absolute value is above 1."""


@dataclass(frozen=True)
class Canary:
    """Measurements of a canary test.

    Attributes:
        users: number of users in the canary set; 0: the champion was evaluated by a version without canary sets.
        difference: largest difference from evaluation's predictions, see `compare`.
        batch_difference: largest difference from the batch's predictions for some users of the release's snapshot.
        milliseconds: mean time to score one of these users.
    """

    users: int
    difference: float
    batch_difference: float
    milliseconds: float

    def passed(self, budget: float) -> bool:
        """Whether the release may be activated; `budget` is `serving.canary_milliseconds`."""
        return self.reason(budget) is None

    def reason(self, budget: float) -> str | None:
        """Why the release may not be activated; None: it may."""
        if not self.difference <= TOLERANCE:
            return (
                f"Expected evaluation's predictions for {self.users} users to within {TOLERANCE:g}, found a difference "
                f"of {self.difference:g}. The code or packages are not the ones that evaluated it: train and promote "
                "a new model, or install the versions named in its model card."
            )
        if self.milliseconds > budget:
            return (
                f"Expected at most {budget:g} ms per user (serving.canary_milliseconds), found "
                f"{self.milliseconds:.1f} ms. Deploy again when the machine is less busy, or raise the setting."
            )
        return None

    def warning(self) -> str | None:
        """Warning about a release that passed; None: there is none."""
        if not self.users:
            return "The champion was evaluated by a version of Purse without canary sets: only its latency was checked."
        if not self.batch_difference <= TOLERANCE:
            return (
                f"Live scores differ from the batch's by up to {self.batch_difference:g}: the lake has changed since "
                "the scoring. Run 'purse build-features' and 'purse score' and deploy again."
            )
        return None


def compare(predictions: pd.DataFrame, expected: pd.DataFrame, prefix: str = "") -> float:
    """Largest difference of numbers, relative where the expected one is above 1; infinite if a tier differs.

    Args:
        predictions: of the release.
        expected: predictions for the same users in the same order.
        prefix: of the column names in `expected`.
    """
    if (
        len(predictions) != len(expected)
        or (predictions["tier"].to_numpy() != expected[f"{prefix}tier"].to_numpy()).any()
    ):
        return float("inf")
    largest = 0.0
    for name in ("expected_spend", "spend_low", "spend_high", "purchase_probability", "score"):
        numbers = expected[f"{prefix}{name}"].to_numpy(dtype=np.float64)
        distance = np.abs(predictions[name].to_numpy(dtype=np.float64) - numbers) / np.maximum(np.abs(numbers), 1)
        largest = max(largest, float(distance.max(initial=0.0)))
    return largest
