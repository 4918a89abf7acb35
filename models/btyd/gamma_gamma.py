"""Gamma-Gamma: what a customer spends on a purchase day.

Fader & Hardie (2013), The Gamma-Gamma model of monetary value. A customer's spend per purchase day is Gamma(p, rate),
the rate differs between customers as Gamma(q, gamma), and neither depends on how often the customer buys.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, gammaln

from models.btyd.maximum_likelihood import every_nth, minimise
from models.btyd.purchase_history import Floats

STARTS = ((1.0, 1.0, 1.0), (3.0, 3.0, 0.5))


@dataclass(frozen=True)
class GammaGamma:
    """A fitted Gamma-Gamma model.

    Attributes:
        p: shape of the spend of one customer's purchase days.
        q, gamma: shape and rate (money) over customers; q is above 1, so that the mean exists.
    """

    p: float
    q: float
    gamma: float

    def expected_spend(self, orders: Floats, mean_spend: Floats) -> Floats:
        """Expected money per purchase day: between the customer's own mean and that of all, the nearer the more orders.

        Args:
            orders: purchase days that the mean is of; 0 gives the mean of all.
            mean_spend: money per purchase day; below 0 counts as 0.
        """
        spent = orders * np.maximum(mean_spend, 0)
        return np.asarray(self.p * (self.gamma + spent) / (self.p * orders + self.q - 1))


def fit(orders: Floats, mean_spend: Floats, penalty: float) -> GammaGamma:
    """Fit by maximum likelihood to the customers who spent anything; `penalty` as in `minimise`.

    If nobody did, everyone is expected to spend nothing.
    """
    spent = (orders > 0) & (mean_spend > 0)
    if not spent.any():
        return GammaGamma(p=1.0, q=2.0, gamma=0.0)
    orders, mean_spend = orders[spent], mean_spend[spent]
    chosen = every_nth(len(orders))
    orders, mean_spend = orders[chosen], mean_spend[chosen]
    unit = float(mean_spend.mean())
    fitted = minimise(lambda parameters: loss(parameters, orders, mean_spend / unit), STARTS, penalty)
    p, above_one, gamma = fitted.tolist()
    return GammaGamma(p, above_one + 1, gamma * unit)


def loss(parameters: Floats, orders: Floats, mean_spend: Floats) -> tuple[float, Floats]:
    """Mean negative log-likelihood and its gradient by p, q - 1 and gamma."""
    p, above_one, gamma = parameters
    q, shape = above_one + 1, p * orders
    log_total = np.log(gamma + orders * mean_spend)
    log_likelihood = (
        gammaln(shape + q)
        - gammaln(shape)
        - gammaln(q)
        + q * np.log(gamma)
        + (shape - 1) * np.log(mean_spend)
        + shape * np.log(orders)
        - (shape + q) * log_total
    )
    by_q = digamma(shape + q) - digamma(q) + np.log(gamma) - log_total
    by_p = orders * (digamma(shape + q) - digamma(shape) + np.log(mean_spend) + np.log(orders) - log_total)
    by_gamma = q / gamma - (shape + q) / (gamma + orders * mean_spend)
    return -float(log_likelihood.mean()), -np.array([by_p.mean(), by_q.mean(), by_gamma.mean()])
