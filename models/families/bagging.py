"""Bagged regression trees (Breiman 1996) for purchase and amount."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import BaggingRegressor
from sklearn.tree import DecisionTreeRegressor
from typing_extensions import override

from models.encoding import TreeEncoder
from models.protocol import LabelledUsers, SpendModel
from models.targets import as_predictions, winsorised_spend


@dataclass
class Bagging(SpendModel):
    """Purchase probability times buyers' amount, each the mean of trees grown on bootstrap samples of users.

    Unlike in a random forest, every split may use every column. Regression trees on 0 and 1 split as classification
    trees do, average to a probability and accept a single class. The amount is `winsorised_spend` of buyers. Each tree
    sees at most `rows` users, which bounds the time of a fit.
    """

    seed: int
    threads: int
    trees: int = 20
    depth: int = 9
    min_leaf: int = 40
    rows: int = 10_000
    encoder: TreeEncoder = field(default_factory=TreeEncoder, init=False)
    purchase: BaggingRegressor = field(init=False)
    amount: BaggingRegressor | None = field(default=None, init=False)

    @override
    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        spend, bought = winsorised_spend(training), training.purchased.to_numpy(dtype=bool)
        inputs = self.encoder.fit(training.features).transform(training.features).astype(np.float32)
        self.purchase = self._bag(inputs, bought.astype(np.float64))
        self.amount = self._bag(inputs[bought], spend[bought]) if bought.any() else None
        return self

    @override
    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        inputs = self.encoder.transform(features).astype(np.float32)
        probability = self.purchase.predict(inputs)
        amount = self.amount.predict(inputs) if self.amount is not None else 0.0
        return as_predictions(features, probability * amount, probability)

    def _bag(self, inputs: NDArray[np.float32], target: NDArray[np.float64]) -> BaggingRegressor:
        return BaggingRegressor(
            DecisionTreeRegressor(max_depth=self.depth, min_samples_leaf=self.min_leaf),
            self.trees,
            max_samples=min(len(target), self.rows),
            n_jobs=self.threads,
            random_state=self.seed,
        ).fit(inputs, target)
