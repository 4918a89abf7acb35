"""Parts shared by two-part models: purchase probability, and amount learned on the log scale."""

from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Purchase: TypeAlias = Any
"""A fitted scikit-learn classifier, or a float where all or none of the users bought: classifiers need two classes."""

SMALLEST_AMOUNT = 0.01
"""Floor of an amount as a share of the mean, because the logarithm of 0 would outweigh all else."""


def fit_purchase(classifier: Any, inputs: Floats, bought: NDArray[np.bool_]) -> Purchase:  # noqa: ANN401 - any of scikit-learn's
    """Fit the classifier to who bought, or return the share of buyers if it is 0 or 1.

    >>> from sklearn.linear_model import LogisticRegression
    >>> fit_purchase(LogisticRegression(), np.zeros((2, 1)), np.array([True, True]))
    1.0
    """
    if bought.all() or not bought.any():
        return float(bought.mean())
    return classifier.fit(inputs, bought)


def purchase_probability(purchase: Purchase, inputs: Floats) -> Floats:
    """Predict the purchase probability; shape (users,).

    >>> purchase_probability(0.25, np.zeros((2, 1)))
    array([0.25, 0.25])
    """
    if isinstance(purchase, float):
        return np.full(len(inputs), purchase)
    return np.asarray(purchase.predict_proba(inputs)[:, 1], dtype=np.float64)


@dataclass
class LogAmount:
    """A regression of buyers' log spend, converted back to money by Duan's smearing (JASA 78, 1983).

    The exponential of a mean logarithm estimates the median. Multiplying it with the mean of the exponentiated
    residuals gives the mean. Predictions never exceed the largest amount in training. Without buyers every prediction
    is 0.

    Attributes:
        regression: a scikit-learn regressor, fitted in place.
        scale: mean amount, the unit of money inside the regression.
        smearing: mean of the exponentiated residuals.
        largest: largest amount in training.

    >>> from sklearn.linear_model import LinearRegression
    >>> inputs, amount = np.array([[0.0], [1.0], [2.0]]), np.array([10.0, 20.0, 40.0])
    >>> LogAmount(LinearRegression()).fit(inputs, amount).predict(inputs).round(2).tolist()
    [10.0, 20.0, 40.0]
    """

    regression: Any
    scale: float = field(default=0.0, init=False)
    smearing: float = field(default=1.0, init=False)
    largest: float = field(default=0.0, init=False)

    def fit(self, inputs: Floats, amount: Floats) -> Self:
        """Learn from buyers.

        Args:
            inputs: finite inputs; shape (buyers, columns).
            amount: money spent by each buyer, at least 0; shape (buyers,).
        """
        self.scale = float(amount.mean()) if len(amount) else 0.0
        if self.scale > 0:
            self.largest = float(amount.max())
            target = np.log(np.maximum(amount / self.scale, SMALLEST_AMOUNT))
            residuals = target - self.regression.fit(inputs, target).predict(inputs)
            self.smearing = float(np.exp(residuals).mean())
        return self

    def predict(self, inputs: Floats) -> Floats:
        """Predict each user's spend if they buy, in money; shape (users,)."""
        if self.scale <= 0:
            return np.zeros(len(inputs))
        log_amount = np.clip(self.regression.predict(inputs), -50, 50)
        return np.minimum(np.exp(log_amount) * self.smearing * self.scale, self.largest)
