"""Linear models on recency, frequency and monetary value."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from typing_extensions import override

from features.feature import WINDOWS_DAYS
from models.btyd.features import COLUMNS as BTYD_COLUMNS
from models.encoding import DenseEncoder
from models.protocol import LabelledUsers, SpendModel
from models.targets import as_predictions, winsorised_spend

RFM = ("days_since_last_order", "purchase_days_total", "spend_total")
"""The classic three, as a baseline is understood: they may grow with the history."""

WINDOWED_RFM = (
    "days_since_last_order",
    "monetary_value",
    *(f"{measure}_{days}d" for measure in ("purchase_days", "spend") for days in WINDOWS_DAYS),
    *BTYD_COLUMNS["all"],
)


@dataclass
class LinearSpend(SpendModel):
    """A linear regression of spend and a logistic regression of purchase on the same inputs.

    Attributes:
        columns: the features to use, those that are there.
        alpha: L2 penalty of the regression of spend; 0 for least squares.
        log_scale: of the inputs, see `DenseEncoder`.
        winsorise: whether the target is `winsorised_spend` or the spend as it is.
        purchase: a constant where all or none bought.
    """

    columns: tuple[str, ...]
    alpha: float
    log_scale: bool
    winsorise: bool
    encoder: DenseEncoder = field(init=False)
    spend: LinearRegression | Ridge = field(init=False)
    purchase: LogisticRegression | float = field(init=False)

    @override
    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        target = winsorised_spend(training)
        if not self.winsorise:
            target = training.future_spend.to_numpy(dtype=np.float64)
        self.encoder = DenseEncoder(self.columns, self.log_scale).fit(training.features)
        inputs = self.encoder.transform(training.features)
        self.spend = (Ridge(self.alpha) if self.alpha else LinearRegression()).fit(inputs, target)
        bought = training.purchased.to_numpy(dtype=bool)
        one_class = bought.all() or not bought.any()
        self.purchase = float(bought.mean()) if one_class else LogisticRegression(C=0.1).fit(inputs, bought)
        return self

    @override
    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        inputs = self.encoder.transform(features)
        return as_predictions(features, self.spend.predict(inputs), self._probability(inputs))

    def _probability(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        if isinstance(self.purchase, float):
            return np.full(len(inputs), self.purchase)
        return np.asarray(self.purchase.predict_proba(inputs)[:, 1])


def linear_rfm() -> LinearSpend:
    """Least squares on the classic three and on spend as it is: the baseline that papers call linear regression."""
    return LinearSpend(RFM, alpha=0.0, log_scale=False, winsorise=False)


def ridge_rfm(alpha: float = 1_000.0, log_scale: bool = True) -> LinearSpend:
    """Ridge regression on the windows of orders and spend, whose neighbours say nearly the same."""
    return LinearSpend(WINDOWED_RFM, alpha, log_scale, winsorise=True)
