"""The canary: whether a release says of known users what evaluation said of them, and how fast."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

TOLERANCE = 1e-6
"""By how much a prediction may differ, relative to it where it is above 1."""


@dataclass(frozen=True)
class Canary:
    """What came of it.

    Attributes:
        users: how many evaluation had scored; 0: the champion is from before a canary set was kept.
        difference: the largest to what evaluation said, see `compare`.
        batch_difference: the largest to what the batch said of some users of the release's snapshot.
        milliseconds: that one of these users took.
    """

    users: int
    difference: float
    batch_difference: float
    milliseconds: float

    def passed(self, budget: float) -> bool:
        """Whether the release may go into force; `budget` is `serving.canary_milliseconds`."""
        return self.reason(budget) is None

    def reason(self, budget: float) -> str | None:
        """Why it may not; None: it may."""
        if not self.difference <= TOLERANCE:
            return (
                f"Expected what evaluation said of {self.users} users, to {TOLERANCE:g}; found a difference of "
                f"{self.difference:g}. The model's code or packages are not those it was evaluated with: train and "
                "promote a new model, or install those of its card."
            )
        if self.milliseconds > budget:
            return (
                f"Expected at most {budget:g} ms for a user (serving.canary_milliseconds), found "
                f"{self.milliseconds:.1f} ms. Deploy again when the machine is less busy, or raise the setting."
            )
        return None

    def warning(self) -> str | None:
        """What to tell though it passed; None: nothing."""
        if not self.users:
            return "The champion was evaluated before a canary set was kept, so only its speed was checked."
        if not self.batch_difference <= TOLERANCE:
            return (
                f"Live scores differ from those of the batch by up to {self.batch_difference:g}: the lake has changed "
                "since it was scored. Run 'purse build-features' and 'purse score' and deploy again."
            )
        return None


def compare(found: pd.DataFrame, expected: pd.DataFrame, prefix: str = "") -> float:
    """The largest difference of numbers, in units of the expected where that is above 1; infinite for another tier.

    Args:
        found: predictions.
        expected: of the same users in the same order.
        prefix: of the columns in `expected`.
    """
    if len(found) != len(expected) or (found["tier"].to_numpy() != expected[f"{prefix}tier"].to_numpy()).any():
        return float("inf")
    largest = 0.0
    for name in ("expected_spend", "spend_low", "spend_high", "purchase_probability", "score"):
        there = expected[f"{prefix}{name}"].to_numpy(dtype=np.float64)
        distance = np.abs(found[name].to_numpy(dtype=np.float64) - there) / np.maximum(np.abs(there), 1)
        largest = max(largest, float(distance.max(initial=0.0)))
    return largest
