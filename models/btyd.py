"""Buy-till-you-die families: how often a customer buys, BG/NBD or Pareto/NBD, times what a purchase day is worth."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np
import pandas as pd
from typing_extensions import override

from models import bg_nbd, gamma_gamma, pareto_nbd
from models.encoding import select
from models.gamma_gamma import GammaGamma
from models.protocol import LabelledUsers, SpendModel
from models.purchase_history import Floats, PurchaseHistory, purchase_history
from models.targets import as_predictions, require_users


class PurchaseProcess(Protocol):
    """A fitted model of when customers buy."""

    def expected_purchases(self, history: PurchaseHistory, days: float) -> Floats:
        """Expected number of purchases in the coming `days`."""
        ...

    def any_purchase(self, history: PurchaseHistory, days: float) -> Floats:
        """Probability of at least one purchase in the coming `days`."""
        ...


PROCESSES: dict[str, Callable[..., PurchaseProcess]] = {"bg_nbd": bg_nbd.fit, "pareto_nbd": pareto_nbd.fit}


@dataclass
class BuyTillYouDie(SpendModel):
    """Expected purchase days times expected spend on one.

    Both are learned from the histories; of the labels, only whether a purchase followed. All snapshots of a user are
    used: each is a likelihood of its own of the same parameters, so that their sum finds them too (a composite
    likelihood), and nothing has to be known about which row is whose.

    Attributes:
        process: a name in `PROCESSES`.
        horizon_days: length of the labels and of what is predicted.
        penalty: of the parameters, see `minimise`.
        purchases, spend: learned.
    """

    process: str
    horizon_days: int
    penalty: float = 1e-4
    purchases: PurchaseProcess = field(init=False)
    spend: GammaGamma = field(init=False)

    @override
    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        require_users(training)
        history = purchase_history(training.features)
        came_back = training.purchased.to_numpy(dtype=bool)
        self.purchases = PROCESSES[self.process](history, came_back, self.horizon_days, self.penalty)
        self.spend = gamma_gamma.fit(*_order_days(training.features), self.penalty)
        return self

    @override
    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        probability = self.purchases.any_purchase(purchase_history(features), self.horizon_days)
        return as_predictions(features, self.expected_spend(features, self.horizon_days), probability)

    def expected_spend(self, features: pd.DataFrame, days: float) -> Floats:
        """Expected money in the coming `days`, one per user; any number of days, whatever the labels were."""
        purchases = self.purchases.expected_purchases(purchase_history(features), days)
        return purchases * self.spend.expected_spend(*_order_days(features))


def horizon_ratio(training: LabelledUsers, features: pd.DataFrame, label_days: int, horizon_days: int) -> float:
    """How much more all customers together are expected to spend in the horizon than in the label window.

    Where the history is too short for labels of the whole horizon, families learn from `label_days` and predictions are
    scaled by this. It is below horizon_days / label_days, as customers leave.

    Args:
        training: what BG/NBD and Gamma-Gamma are fitted to; its labels are of `label_days`.
        features: of the customers to predict, at their snapshot.
        label_days: length of the labels.
        horizon_days: length of the horizon.
    """
    model = BuyTillYouDie("bg_nbd", label_days).fit(training)
    label = float(model.expected_spend(features, label_days).sum())
    horizon = float(model.expected_spend(features, horizon_days).sum())
    return horizon / label if label > 0 else horizon_days / label_days


def _order_days(features: pd.DataFrame) -> tuple[Floats, Floats]:
    """Purchase days and the mean spend on them, the first one included: most customers have no other.

    Gamma-Gamma is often fitted to repeat purchases alone, because the first may be unlike them; without it, though,
    whoever bought once is worth the same as everyone else who did, and the order of users suffers much more.
    """
    frequency, spend = np.nan_to_num(select(features, ["frequency", "spend_total"]).to_numpy(dtype=np.float64).T)
    orders = np.clip(frequency, 0, 1e9) + 1
    return orders, np.clip(spend, 0, 1e12) / orders
