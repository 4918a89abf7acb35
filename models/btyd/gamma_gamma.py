"""Gamma-Gamma: spend of a customer per purchase day.

Fader & Hardie (2013), The Gamma-Gamma model of monetary value. A customer's spend per purchase day is Gamma(p, rate),
the rate is Gamma(q, gamma) distributed over customers, and both are independent of how often the customer buys.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, gammaln

from models.btyd.maximum_likelihood import every_nth, minimise
from models.btyd.purchase_history import Floats

STARTS = ((1.0, 1.0, 1.0), (3.0, 3.0, 0.5))
"""Starting parameters (p, q - 1, gamma), with money in units of the mean."""


@dataclass(frozen=True)
class GammaGamma:
    """A fitted Gamma-Gamma model.

    Attributes:
        p: shape of one customer's spend per purchase day.
        q, gamma: shape and rate (money) over customers; q exceeds 1, so that the mean exists.

    >>> model = GammaGamma(p=6.25, q=3.74, gamma=15.44)
    >>> model.expected_spend(np.array([0.0, 1.0, 10.0]), np.array([0.0, 60.0, 60.0])).round(1).tolist()
    [35.2, 52.4, 59.0]
    """

    p: float
    q: float
    gamma: float

    def expected_spend(self, orders: Floats, mean_spend: Floats) -> Floats:
        """Expected money per purchase day: a mean of the customer's own spend and the population's, weighted by orders.

        Args:
            orders: purchase days behind the customer's mean; 0 gives the population mean. Shape (customers,).
            mean_spend: money per purchase day; negative values count as 0. Shape (customers,).
        """
        spent = orders * np.maximum(mean_spend, 0)
        return np.asarray(self.p * (self.gamma + spent) / (self.p * orders + self.q - 1))


def fit(orders: Floats, mean_spend: Floats, penalty: float) -> GammaGamma:
    """Fit by maximum likelihood to the customers who spent anything; `penalty` as in `minimise`.

    Without such customers, expected spend is 0 for everyone.

    >>> fit(np.array([1.0, 2.0]), np.zeros(2), penalty=1e-4).expected_spend(np.array([1.0]), np.array([0.0])).tolist()
    [0.0]
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
    """Mean negative log-likelihood and its gradient by p, q - 1 and gamma.

    >>> value, gradient = loss(np.array([6.25, 2.74, 15.44]), np.array([1.0, 3.0]), np.array([30.0, 60.0]))
    >>> gradient.shape
    (3,)
    """
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
