"""A random forest that predicts spend and purchase with the same trees."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from typing_extensions import override

from models.encoding import TreeEncoder
from models.protocol import LabelledUsers, SpendModel
from models.targets import as_predictions, winsorised_spend


@dataclass
class Forest(SpendModel):
    """Random forest with two outputs per leaf, so that both shape every split: scaled spend and purchase.

    Spend is `winsorised_spend` in units of its standard deviation. Each tree sees a share `sample` of the rows: more
    rows did not help and take longer.
    """

    seed: int
    threads: int
    trees: int = 60
    depth: int = 10
    min_leaf: int = 50
    columns: float = 0.33
    sample: float = 0.2
    encoder: TreeEncoder = field(default_factory=TreeEncoder, init=False)
    scale: float = field(default=1.0, init=False)

    @override
    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        spend, bought = winsorised_spend(training), training.purchased.to_numpy(dtype=np.float64)
        inputs = self.encoder.fit(training.features).transform(training.features).astype(np.float32)
        self.scale = float(spend.std()) or 1.0
        self.trees_ = RandomForestRegressor(
            self.trees,
            max_depth=self.depth,
            min_samples_leaf=self.min_leaf,
            max_features=self.columns,
            max_samples=max(round(self.sample * len(spend)), min(len(spend), 1_000)),
            n_jobs=self.threads,
            random_state=self.seed,
        ).fit(inputs, np.column_stack([spend / self.scale, bought]))
        return self

    @override
    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        outputs = self.trees_.predict(self.encoder.transform(features).astype(np.float32))
        return as_predictions(features, outputs[:, 0] * self.scale, outputs[:, 1])
