"""Logistic regression of purchase times ridge regression of log spend: the classic two-part model."""

from dataclasses import dataclass, field
from typing import Self

import pandas as pd
from sklearn.linear_model import LogisticRegression, Ridge
from typing_extensions import override

from models.encoding import DenseEncoder
from models.families.linear import WINDOWED_RFM
from models.families.two_part import LogAmount, Purchase, fit_purchase, purchase_probability
from models.protocol import LabelledUsers, SpendModel
from models.targets import as_predictions, winsorised_spend


@dataclass
class Logistic(SpendModel):
    """Purchase and log amount, both linear in log-scaled `WINDOWED_RFM`.

    Using every feature was worse: while the history grows, features that shift between training and scoring shift the
    predictions. The amount is `winsorised_spend` of buyers; `LogAmount` converts it back to money.

    Attributes:
        inverse_penalty: scikit-learn's C of the logistic regression.
        alpha: L2 penalty of the regression of log spend.
    """

    inverse_penalty: float = 0.1
    alpha: float = 300.0
    encoder: DenseEncoder = field(default_factory=lambda: DenseEncoder(WINDOWED_RFM), init=False)
    purchase: Purchase = field(default=0.0, init=False)
    amount: LogAmount = field(init=False)

    @override
    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        spend, bought = winsorised_spend(training), training.purchased.to_numpy(dtype=bool)
        inputs = self.encoder.fit(training.features).transform(training.features)
        self.purchase = fit_purchase(LogisticRegression(C=self.inverse_penalty, max_iter=300), inputs, bought)
        self.amount = LogAmount(Ridge(self.alpha)).fit(inputs[bought], spend[bought])
        return self

    @override
    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        inputs = self.encoder.transform(features)
        probability = purchase_probability(self.purchase, inputs)
        return as_predictions(features, probability * self.amount.predict(inputs), probability)
