"""Support vector machines for purchase and amount, on an approximated RBF kernel so that they fit in seconds."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import Nystroem
from sklearn.svm import LinearSVC, LinearSVR
from typing_extensions import override

from models.encoding import DenseEncoder
from models.families.two_part import Floats, LogAmount, Purchase, fit_purchase, purchase_probability
from models.protocol import LabelledUsers, SpendModel
from models.targets import as_predictions, winsorised_spend

CALIBRATION_SHARE = 0.25
"""Share of the sampled rows held out from the classifier to calibrate its margin into a probability."""

CHUNK = 65_536
"""Users predicted at a time."""


@dataclass
class SupportVectors(SpendModel):
    """A linear support vector classifier and regressor on Nyström features of an RBF kernel.

    The time of an exact kernel machine grows with the square of the rows. This one learns from at most `rows` random
    rows and approximates the kernel by `landmarks` of them (Williams & Seeger 2001). Platt's sigmoid, fitted on
    held-out rows, turns the margin into a probability. The amount is log `winsorised_spend` of buyers, see `LogAmount`.

    Attributes:
        inverse_penalty: C of both machines per 1,000 rows, so that it does not depend on the sample size.
        width: gamma of the kernel times the number of inputs.
    """

    seed: int
    rows: int = 40_000
    landmarks: int = 200
    width: float = 0.05
    inverse_penalty: float = 1.0
    encoder: DenseEncoder = field(default_factory=DenseEncoder, init=False)
    kernel: Nystroem = field(init=False)
    purchase: Purchase = field(default=0.0, init=False)
    amount: LogAmount = field(init=False)

    @override
    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        spend, bought = winsorised_spend(training), training.purchased.to_numpy(dtype=bool)
        self.encoder.fit(training.features)
        drawn = np.random.default_rng(self.seed).permutation(len(training))[: self.rows]
        columns = self.encoder.transform(training.features.iloc[drawn])
        landmarks = min(self.landmarks, len(drawn))
        self.kernel = Nystroem(gamma=self.width / columns.shape[1], n_components=landmarks, random_state=self.seed)
        inputs, spend, bought = self.kernel.fit_transform(columns), spend[drawn], bought[drawn]
        self.purchase = self._classifier(inputs, bought)
        penalty = self._inverse_penalty(int(bought.sum()))
        regression = LinearSVR(
            C=penalty, loss="squared_epsilon_insensitive", dual=False, epsilon=0.1, random_state=self.seed
        )
        self.amount = LogAmount(regression).fit(inputs[bought], spend[bought])
        return self

    @override
    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        chunks = [self._expected(features.iloc[i : i + CHUNK]) for i in range(0, max(len(features), 1), CHUNK)]
        probability, amount = (np.concatenate(part) for part in zip(*chunks, strict=True))
        return as_predictions(features, probability * amount, probability)

    def _expected(self, features: pd.DataFrame) -> tuple[Floats, Floats]:
        if features.empty:
            return np.empty(0), np.empty(0)
        inputs = self.kernel.transform(self.encoder.transform(features))
        return purchase_probability(self.purchase, inputs), self.amount.predict(inputs)

    def _classifier(self, inputs: Floats, bought: NDArray[np.bool_]) -> Purchase:
        """Fit a calibrated classifier; return the share of buyers where either part of the rows has one class only."""
        aside = round(CALIBRATION_SHARE * len(bought))
        machine = LinearSVC(C=self._inverse_penalty(len(bought) - aside), dual=False, random_state=self.seed)
        machine = fit_purchase(machine, inputs[aside:], bought[aside:])
        if isinstance(machine, float) or len(set(bought[:aside])) == 1 or not aside:
            return float(bought.mean())
        calibrated = CalibratedClassifierCV(FrozenEstimator(machine), method="sigmoid")
        return calibrated.fit(inputs[:aside], bought[:aside])

    def _inverse_penalty(self, rows: int) -> float:
        return self.inverse_penalty * 1_000 / max(rows, 1)
