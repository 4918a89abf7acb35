"""Buy-till-you-die families: how often a customer buys, BG/NBD or Pareto/NBD, times what a purchase day is worth."""

from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np
import pandas as pd
from typing_extensions import override

from models.btyd import bg_nbd, gamma_gamma, pareto_nbd
from models.btyd.covariates import Effects, covariates, fit_effects
from models.btyd.gamma_gamma import GammaGamma
from models.btyd.maximum_likelihood import Process, fit_process
from models.btyd.purchase_history import Floats, PurchaseHistory, purchase_history
from models.encoding import select
from models.protocol import LabelledUsers, SpendModel
from models.targets import as_predictions, require_users


class PurchaseProcess(Protocol):
    """A fitted model of when customers buy."""

    def alive(self, history: PurchaseHistory) -> Floats:
        """Probability that the customer has not left for good."""
        ...

    def expected_purchases(self, history: PurchaseHistory, days: float) -> Floats:
        """Expected number of purchases in the coming `days`."""
        ...

    def any_purchase(self, history: PurchaseHistory, days: float) -> Floats:
        """Probability of at least one purchase in the coming `days`."""
        ...


PROCESSES: dict[str, Process] = {"bg_nbd": bg_nbd.PROCESS, "pareto_nbd": pareto_nbd.PROCESS}


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
        covariates: whether what users are says when they buy; makes no difference where nothing is known of them.
        shrinkage: of the effects of covariates, see `fit_effects`.
        purchases, spend: learned.
        effects: learned; None without covariates.
    """

    process: str
    horizon_days: int
    penalty: float = 1e-4
    covariates: bool = True
    shrinkage: float = 1e-3
    purchases: PurchaseProcess = field(init=False)
    spend: GammaGamma = field(init=False)
    effects: Effects | None = field(default=None, init=False)

    @override
    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        require_users(training)
        process, features = PROCESSES[self.process], training.features
        seen = purchase_history(features), training.purchased.to_numpy(dtype=bool), self.horizon_days
        self.purchases = fit_process(process, *seen, self.penalty)
        if self.covariates and len(covariates(features).columns):
            self.effects = fit_effects(process, self.purchases, features, *seen, self.penalty, self.shrinkage)
        self.spend = gamma_gamma.fit(*_order_days(features), self.penalty)
        return self

    @override
    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        spend = self.expected_spend(features, self.horizon_days)
        return as_predictions(features, spend, self.purchase_probability(features, self.horizon_days))

    def expected_purchases(self, features: pd.DataFrame, days: float) -> Floats:
        """Expected purchase days in the coming `days`, one per user; any number of days, whatever the labels were."""
        return self._process(features).expected_purchases(purchase_history(features), days)

    def purchase_probability(self, features: pd.DataFrame, days: float) -> Floats:
        """Probability of a purchase in the coming `days`, one per user."""
        return self._process(features).any_purchase(purchase_history(features), days)

    def alive(self, features: pd.DataFrame) -> Floats:
        """Probability of not having left for good, one per user."""
        return self._process(features).alive(purchase_history(features))

    def spend_per_purchase(self, features: pd.DataFrame) -> Floats:
        """Expected money on a purchase day, one per user."""
        return self.spend.expected_spend(*_order_days(features))

    def expected_spend(self, features: pd.DataFrame, days: float) -> Floats:
        """Expected money in the coming `days`, one per user."""
        return self.expected_purchases(features, days) * self.spend_per_purchase(features)

    def _process(self, features: pd.DataFrame) -> PurchaseProcess:
        process: PurchaseProcess = self.purchases if self.effects is None else self.effects.of(features)
        return process


def _order_days(features: pd.DataFrame) -> tuple[Floats, Floats]:
    """Purchase days and the mean spend on them, the first one included: most customers have no other.

    Gamma-Gamma is often fitted to repeat purchases alone, because the first may be unlike them; without it, though,
    whoever bought once is worth the same as everyone else who did, and the order of users suffers much more.
    """
    frequency, spend = np.nan_to_num(select(features, ["frequency", "spend_total"]).to_numpy(dtype=np.float64).T)
    orders = np.clip(frequency, 0, 1e9) + 1
    return orders, np.clip(spend, 0, 1e12) / orders
