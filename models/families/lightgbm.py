"""LightGBM trees: a Tweedie regression of spend, and a hurdle model of purchase times amount."""

from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from typing_extensions import override

from models.encoding import TreeEncoder
from models.protocol import LabelledUsers, SpendModel
from models.repeatable import repeatable
from models.targets import as_predictions, winsorised_spend

Trees: TypeAlias = "lightgbm.Booster | float"
"""Boosted trees, or a float where the target is constant: LightGBM refuses some constant targets."""


@dataclass
class BoostedSpend(SpendModel):
    """Expected spend by a hurdle model or a Tweedie regression, and the purchase probability by a classifier.

    The hurdle model multiplies the purchase probability with a gamma regression of the buyers' amount. The Tweedie
    regression takes one step: a compound Poisson-gamma variable is exactly 0 for users who do not buy. The target is
    `winsorised_spend` divided by its mean, so that regularisation means the same in every currency. The same seed and
    data give the same trees.

    Attributes:
        hurdle: hurdle model if True, Tweedie regression if False.
        shrinkage: L2 penalty of a leaf.
        variance_power: Tweedie's variance power, between 1 (Poisson) and 2 (gamma).
    """

    hurdle: bool
    seed: int
    threads: int
    trees: int = 120
    learning_rate: float = 0.06
    leaves: int = 15
    min_leaf: int = 200
    columns: float = 0.5
    shrinkage: float = 10.0
    variance_power: float = 1.5
    encoder: TreeEncoder = field(default_factory=TreeEncoder, init=False)
    scale: float = field(default=1.0, init=False)
    purchase: Trees = field(default=0.0, init=False)
    spend: Trees = field(default=0.0, init=False)

    @override
    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        spend, bought = winsorised_spend(training), training.purchased.to_numpy(dtype=bool)
        inputs = self.encoder.fit(training.features).transform(training.features)
        self.scale = float(spend.mean()) or 1.0
        self.purchase = self._boost("binary", inputs, bought.astype(np.float64))
        if not self.hurdle:
            self.spend = self._boost("tweedie", inputs, spend / self.scale)
        elif bought.any():
            # a gamma variable is above 0: a buyer who returned everything counts as a thousandth of the mean
            amount = np.maximum(spend[bought] / self.scale, 1e-3)
            self.spend = self._boost("gamma", inputs[bought], amount)
        return self

    @override
    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        inputs = self.encoder.transform(features)
        probability = self._predict(self.purchase, inputs)
        spend = self._predict(self.spend, inputs) * self.scale
        return as_predictions(features, probability * spend if self.hurdle else spend, probability)

    def _boost(self, objective: str, inputs: NDArray[np.float64], target: NDArray[np.float64]) -> Trees:
        if np.ptp(target) == 0:
            return float(target[0])
        parameters: dict[str, Any] = {
            "objective": objective,
            "tweedie_variance_power": self.variance_power,
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.min_leaf,
            "feature_fraction": self.columns,
            "lambda_l2": self.shrinkage,
            **repeatable(self.seed, self.threads),
        }
        categories = [self.encoder.columns.index(name) for name in self.encoder.categories]
        table = lightgbm.Dataset(inputs, target, categorical_feature=categories, params=parameters)
        return lightgbm.train(parameters, table, num_boost_round=self.trees)

    def _predict(self, trees: Trees, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        if isinstance(trees, float):
            return np.full(len(inputs), trees)
        return np.asarray(trees.predict(inputs, num_threads=self.threads), dtype=np.float64)
