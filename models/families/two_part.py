"""What two-part models share: who buys, as a probability or a constant, and how much, learned on the log scale."""

from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Purchase: TypeAlias = Any
"""A fitted scikit-learn classifier, or a float where all or none bought: a classifier refuses those."""

SMALLEST_AMOUNT = 0.01
"""Amounts below this share of the mean count as this much: the logarithm of 0 would outweigh everything else."""


def fit_purchase(classifier: Any, inputs: Floats, bought: NDArray[np.bool_]) -> Purchase:  # noqa: ANN401 - any of scikit-learn's
    """Fit who buys; the share of buyers if it is 0 or 1."""
    if bought.all() or not bought.any():
        return float(bought.mean())
    return classifier.fit(inputs, bought)


def purchase_probability(purchase: Purchase, inputs: Floats) -> Floats:
    """Probability of a purchase; shape (users,)."""
    if isinstance(purchase, float):
        return np.full(len(inputs), purchase)
    return np.asarray(purchase.predict_proba(inputs)[:, 1], dtype=np.float64)


@dataclass
class LogAmount:
    """A regression of log spend of buyers, brought back to money by Duan's smearing (JASA 78, 1983).

    The exponential of a mean logarithm is the median: it is multiplied with the mean of the exponentiated residuals.
    Nobody is expected to spend more than any buyer in training did. Without buyers everyone is expected to spend 0.

    Attributes:
        regression: a scikit-learn regressor, fitted in place.
        scale: the mean amount, the unit of money inside.
        smearing: mean of the exponentiated residuals.
        largest: the largest amount in training.
    """

    regression: Any
    scale: float = field(default=0.0, init=False)
    smearing: float = field(default=1.0, init=False)
    largest: float = field(default=0.0, init=False)

    def fit(self, inputs: Floats, amount: Floats) -> Self:
        """Learn from buyers.

        Args:
            inputs: shape (buyers, columns), finite.
            amount: what each spent, at least 0.
        """
        self.scale = float(amount.mean()) if len(amount) else 0.0
        if self.scale > 0:
            self.largest = float(amount.max())
            target = np.log(np.maximum(amount / self.scale, SMALLEST_AMOUNT))
            residuals = target - self.regression.fit(inputs, target).predict(inputs)
            self.smearing = float(np.exp(residuals).mean())
        return self

    def predict(self, inputs: Floats) -> Floats:
        """Expected spend of each user if they buy, in money."""
        if self.scale <= 0:
            return np.zeros(len(inputs))
        log_amount = np.clip(self.regression.predict(inputs), -50, 50)
        return np.minimum(np.exp(log_amount) * self.smearing * self.scale, self.largest)
