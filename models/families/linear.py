"""Linear models of recency, frequency and monetary value (RFM)."""

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
"""The three classic RFM features. They may grow with the history, as in the usual baseline."""

WINDOWED_RFM = (
    "days_since_last_order",
    "monetary_value",
    *(f"{measure}_{days}d" for measure in ("purchase_days", "spend") for days in WINDOWS_DAYS),
    *BTYD_COLUMNS["all"],
)
"""RFM features that stay comparable while the history grows, and the BTYD features where present."""


@dataclass
class LinearSpend(SpendModel):
    """A linear regression of spend and a logistic regression of purchase on the same inputs.

    Attributes:
        columns: features to use; absent ones are left out.
        alpha: L2 penalty of the regression of spend; 0 for least squares.
        log_scale: log-scale the inputs, see `DenseEncoder`.
        winsorise: fit to `winsorised_spend` instead of the raw spend.
        purchase: fitted classifier, or a constant where all or none of the users bought.
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
    """Build least squares on `RFM` and the raw spend, the baseline that papers call linear regression.

    >>> linear_rfm().columns
    ('days_since_last_order', 'purchase_days_total', 'spend_total')
    """
    return LinearSpend(RFM, alpha=0.0, log_scale=False, winsorise=False)


def ridge_rfm(alpha: float = 1_000.0, log_scale: bool = True) -> LinearSpend:
    """Build ridge regression on `WINDOWED_RFM`; the penalty handles windows that are nearly collinear.

    >>> ridge_rfm(alpha=10.0).winsorise
    True
    """
    return LinearSpend(WINDOWED_RFM, alpha, log_scale, winsorise=True)
