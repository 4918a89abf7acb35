"""Scikit-learn's histogram gradient boosting: purchase probability times buyers' amount."""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # it has no stubs
from typing_extensions import override

from models.encoding import TreeEncoder
from models.families.two_part import SMALLEST_AMOUNT, Purchase, fit_purchase, purchase_probability
from models.protocol import LabelledUsers, SpendModel
from models.targets import as_predictions, winsorised_spend

BINS = 63
"""Bins per column. A category with more values than this is used as ordered codes, because scikit-learn refuses it."""


@dataclass
class GradientBoosting(SpendModel):
    """A classifier of purchase and a regression of the amount with a log link, so that amounts are means above 0.

    The amount is `winsorised_spend` of buyers in units of its mean. Categories are split as categories.

    Attributes:
        loss: deviance of the amount: "gamma" (errors grow with the amount) or "poisson" (errors grow with its root).
        shrinkage: L2 penalty of a leaf.
        unknown: columns without a value for any buyer in training; scikit-learn cannot bin them, so they count as 0.
    """

    seed: int
    threads: int
    loss: str = "gamma"
    trees: int = 100
    learning_rate: float = 0.06
    leaves: int = 15
    min_leaf: int = 200
    columns: float = 0.5
    shrinkage: float = 10.0
    encoder: TreeEncoder = field(default_factory=TreeEncoder, init=False)
    unknown: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool), init=False)
    scale: float = field(default=0.0, init=False)
    purchase: Purchase = field(default=0.0, init=False)
    amount: HistGradientBoostingRegressor | None = field(default=None, init=False)

    @override
    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        spend, bought = winsorised_spend(training), training.purchased.to_numpy(dtype=bool)
        inputs = self.encoder.fit(training.features).transform(training.features)
        self.unknown = np.asarray(np.isnan(inputs[bought] if bought.any() else inputs).all(axis=0))
        inputs = np.where(self.unknown, 0.0, inputs)
        self.scale = float(spend[bought].mean()) if bought.any() else 0.0
        with threadpool_limits(self.threads, user_api="openmp"):
            self.purchase = fit_purchase(HistGradientBoostingClassifier(**self._parameters()), inputs, bought)
            if self.scale > 0:
                amount = np.maximum(spend[bought] / self.scale, SMALLEST_AMOUNT)
                regression = HistGradientBoostingRegressor(loss=self.loss, **self._parameters())
                self.amount = regression.fit(inputs[bought], amount)
        return self

    @override
    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        inputs = np.where(self.unknown, 0.0, self.encoder.transform(features))
        with threadpool_limits(self.threads, user_api="openmp"):
            probability = purchase_probability(self.purchase, inputs)
            amount = self.amount.predict(inputs) if self.amount is not None else np.zeros(len(inputs))
        return as_predictions(features, probability * amount * self.scale, probability)

    def _parameters(self) -> dict[str, Any]:
        categories = [name for name, known in self.encoder.categories.items() if len(known) <= BINS]
        return {
            "max_iter": self.trees,
            "learning_rate": self.learning_rate,
            "max_leaf_nodes": self.leaves,
            "min_samples_leaf": self.min_leaf,
            "max_features": self.columns,
            "l2_regularization": self.shrinkage,
            "max_bins": BINS,
            "early_stopping": False,
            "categorical_features": [self.encoder.columns.index(name) for name in categories],
            "random_state": self.seed,
        }
