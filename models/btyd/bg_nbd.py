"""BG/NBD: customers buy at their own rate and may leave for good after any purchase.

Fader, Hardie & Lee (2005), "Counting your customers" the easy way, Marketing Science 24 (2). Purchases come at a rate λ
of the distribution Gamma(r, alpha); after each repeat purchase the customer leaves with a probability p of Beta(a, b).
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import digamma, expit, gammaln

from models.btyd.maximum_likelihood import Parameters, Process
from models.btyd.purchase_history import Floats, PurchaseHistory, by_distinct

NODES = 128
TAIL = 40.0
"""The integral over p is cut where its integrand is e^-TAIL of what it is elsewhere."""


@dataclass(frozen=True)
class BgNbd:
    """A BG/NBD model.

    Attributes:
        r, alpha: shape and rate (days) of the purchase rate's gamma distribution.
        a, b: of the beta distribution of the probability to leave.
            alpha, a and b may be arrays with a value for each customer.
    """

    r: float
    alpha: float | Floats
    a: float | Floats
    b: float | Floats

    def alive(self, history: PurchaseHistory) -> Floats:
        """Probability that the customer has not left; 1 without a repeat purchase, as nobody leaves before one."""
        x, recency, tenure = history
        odds = _log_alive(self, x, tenure) - _log_gone(self, x, recency)
        return np.where(x > 0, expit(odds), 1.0)

    def any_purchase(self, history: PurchaseHistory, days: float) -> Floats:
        """Probability of at least one purchase in the coming `days`."""
        none = -(self.r + history.frequency) * np.log1p(days / (self.alpha + history.T))
        return self.alive(history) * -np.expm1(none)

    def expected_purchases(self, history: PurchaseHistory, days: float) -> Floats:
        """Expected number of purchases in the coming `days`.

        A customer with λ and p makes (1 - e^(-λ p days)) / p. The mean over λ is taken in closed form and that over p
        by quadrature, at nodes that crowd at both ends: the closed form, a 2F1, overflows for very frequent buyers.
        What a customer who is there will buy depends on x and T alone, so few integrals are taken.
        """
        still_there = by_distinct(
            partial(_purchases_if_alive, days), self.r, self.alpha, self.a, self.b, history.frequency, history.T
        )
        return self.alive(history) * still_there


def _purchases_if_alive(
    days: float, r: float, alpha: float | Floats, a: float | Floats, b: float | Floats, x: Floats, tenure: Floats
) -> Floats:
    alpha, a, b, x, tenure = (np.reshape(part, (-1, 1)) for part in (alpha, a, b, x, tenure))
    left, right = np.arcsinh(TAIL / (np.pi * a)), np.arcsinh(TAIL / (np.pi * b))
    node = -left + (left + right) * np.linspace(0, 1, NODES)
    log_p, log_stay = -np.logaddexp(0, -np.pi * np.sinh(node)), -np.logaddexp(0, np.pi * np.sinh(node))
    p = np.exp(np.maximum(log_p, -600.0))
    log_weight = a * log_p + (b + x) * log_stay + np.log(np.cosh(node))
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    purchases = -np.expm1(-(r + x) * np.log1p(p * days / (alpha + tenure))) / p
    return np.asarray((weight * purchases).sum(axis=1) / weight.sum(axis=1))


def log_likelihood(parameters: Parameters, history: PurchaseHistory) -> tuple[Floats, Floats]:
    """Log-likelihood of each history, and its gradient by r, alpha, a and b."""
    model = BgNbd(*parameters)
    r, alpha, a, b = parameters
    x, recency, tenure = history
    repeat = x > 0
    gone = np.where(repeat, _log_gone(model, x, recency), -np.inf)
    alive = np.exp(-np.logaddexp(0, gone - _log_alive(model, x, tenure)))
    likelihood = (
        gammaln(r + x)
        - gammaln(r)
        + r * np.log(alpha)
        + (gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x))
        + np.logaddexp(_log_alive(model, x, tenure), gone)
    )
    left = 1 - alive
    gradient = np.array(
        [
            digamma(r + x)
            - digamma(r)
            + np.log(alpha)
            - alive * np.log(alpha + tenure)
            - left * np.log(alpha + recency),
            r / alpha - (r + x) * (alive / (alpha + tenure) + left / (alpha + recency)),
            digamma(a + b) - digamma(a + b + x) + left / a,
            digamma(a + b) + digamma(b + x) - digamma(b) - digamma(a + b + x) - left / (b + np.maximum(x, 1) - 1),
        ]
    )
    return likelihood, gradient


PROCESS = Process(
    BgNbd,
    log_likelihood,
    starts=((1.0, 1.0, 1.0, 1.0), (0.3, 0.5, 0.5, 3.0), (3.0, 1.0, 0.2, 0.2)),
    is_time=(False, True, False, False),
    effects=(0, -1, 1, 1),
)


def _log_alive(model: BgNbd, x: Floats, tenure: Floats) -> Floats:
    """Log weight of the histories in which the customer is still there, up to a common factor."""
    return -(model.r + x) * np.log(model.alpha + tenure)


def _log_gone(model: BgNbd, x: Floats, recency: Floats) -> Floats:
    """Log weight of the histories in which the customer left after the last purchase; of repeat buyers only."""
    return np.log(model.a) - np.log(model.b + np.maximum(x, 1) - 1) - (model.r + x) * np.log(model.alpha + recency)
