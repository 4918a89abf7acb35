"""Buy-till-you-die families: purchases by BG/NBD or Pareto/NBD, times spend per purchase day by Gamma-Gamma."""

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
        """Probability that each customer has not left for good; shape (customers,)."""
        ...

    def expected_purchases(self, history: PurchaseHistory, days: float) -> Floats:
        """Expected number of purchases in the next `days`; shape (customers,)."""
        ...

    def any_purchase(self, history: PurchaseHistory, days: float) -> Floats:
        """Probability of at least one purchase in the next `days`; shape (customers,)."""
        ...


PROCESSES: dict[str, Process] = {"bg_nbd": bg_nbd.PROCESS, "pareto_nbd": pareto_nbd.PROCESS}
"""Purchase processes by name."""


@dataclass
class BuyTillYouDie(SpendModel):
    """Expected purchase days times expected spend per purchase day.

    Both are learned from the histories; of the labels, only whether a purchase followed is used. All snapshots of a
    user are used: each contributes a likelihood of the same parameters, and their sum (a composite likelihood)
    identifies them too, without knowing which rows share a user.

    Attributes:
        process: a name in `PROCESSES`.
        horizon_days: length of the labels and of the predictions.
        penalty: penalty of the parameters, see `minimise`.
        covariates: use profile covariates where present.
        shrinkage: penalty of the covariates' coefficients, see `fit_effects`.
        purchases, spend: learned.
        effects: effects of covariates; learned, None without covariates.

    >>> features = pd.DataFrame({"frequency": [0.0, 3.0], "recency": [0.0, 30.0], "T": 40.0})
    >>> features["spend_total"] = [10.0, 80.0]
    >>> spend = pd.Series([0.0, 20.0])
    >>> model = BuyTillYouDie("pareto_nbd", horizon_days=28).fit(LabelledUsers(features, spend, spend > 0))
    >>> seldom, often = model.expected_spend(features, days=91)
    >>> bool(often > seldom)
    True
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
        """Expected purchase days in the next `days`, which may differ from the labels' length; shape (users,)."""
        return self._process(features).expected_purchases(purchase_history(features), days)

    def purchase_probability(self, features: pd.DataFrame, days: float) -> Floats:
        """Probability of a purchase in the next `days`; shape (users,)."""
        return self._process(features).any_purchase(purchase_history(features), days)

    def alive(self, features: pd.DataFrame) -> Floats:
        """Probability of not having left for good; shape (users,)."""
        return self._process(features).alive(purchase_history(features))

    def spend_per_purchase(self, features: pd.DataFrame) -> Floats:
        """Expected money per purchase day; shape (users,)."""
        return self.spend.expected_spend(*_order_days(features))

    def expected_spend(self, features: pd.DataFrame, days: float) -> Floats:
        """Expected money in the next `days`; shape (users,)."""
        return self.expected_purchases(features, days) * self.spend_per_purchase(features)

    def _process(self, features: pd.DataFrame) -> PurchaseProcess:
        process: PurchaseProcess = self.purchases if self.effects is None else self.effects.of(features)
        return process


def _order_days(features: pd.DataFrame) -> tuple[Floats, Floats]:
    """Purchase days and the mean spend on them, the first included: most customers have no other.

    Gamma-Gamma is often fitted to repeat purchases alone, because first purchases may differ. Without the first,
    though, all customers with one purchase get the same value, which costs far more ranking accuracy.
    """
    frequency, spend = np.nan_to_num(select(features, ["frequency", "spend_total"]).to_numpy(dtype=np.float64).T)
    orders = np.clip(frequency, 0, 1e9) + 1
    return orders, np.clip(spend, 0, 1e12) / orders
