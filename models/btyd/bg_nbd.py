"""BG/NBD: customers buy at individual rates and may leave for good after any repeat purchase.

Fader, Hardie & Lee (2005), "Counting your customers" the easy way, Marketing Science 24 (2). The purchase rate λ is
Gamma(r, alpha) distributed over customers. After each repeat purchase a customer leaves with probability p, which is
Beta(a, b) distributed.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import digamma, expit, gammaln

from models.btyd.maximum_likelihood import Parameters, Process
from models.btyd.purchase_history import Floats, PurchaseHistory, by_distinct

NODES = 128
"""Quadrature nodes of the integral over p."""
TAIL = 40.0
"""The integral over p is truncated where its integrand falls below e^-TAIL of its scale."""


@dataclass(frozen=True)
class BgNbd:
    """A BG/NBD model.

    Attributes:
        r, alpha: shape and rate (days) of the purchase rate's gamma distribution.
        a, b: parameters of the beta distribution of the probability to leave. alpha, a and b may be arrays with one
            value per customer.

    >>> history = PurchaseHistory(np.array([5.0, 5.0]), np.array([20.0, 39.0]), np.array([40.0, 40.0]))
    >>> model = BgNbd(r=0.24, alpha=4.41, a=0.79, b=2.43)
    >>> model.alive(history).round(2).tolist()
    [0.26, 0.88]
    >>> model.expected_purchases(history, days=28).round(2).tolist()
    [0.74, 2.47]
    """

    r: float
    alpha: float | Floats
    a: float | Floats
    b: float | Floats

    def alive(self, history: PurchaseHistory) -> Floats:
        """Probability that each customer has not left; 1 without a repeat purchase, as nobody leaves before one."""
        x, recency, tenure = history
        odds = _log_alive(self, x, tenure) - _log_gone(self, x, recency)
        return np.where(x > 0, expit(odds), 1.0)

    def any_purchase(self, history: PurchaseHistory, days: float) -> Floats:
        """Probability of at least one purchase in the next `days`; shape (customers,)."""
        none = -(self.r + history.frequency) * np.log1p(days / (self.alpha + history.T))
        return self.alive(history) * -np.expm1(none)

    def expected_purchases(self, history: PurchaseHistory, days: float) -> Floats:
        """Expected number of purchases in the next `days`; shape (customers,).

        Given λ and p, a customer makes (1 - e^(-λ p days)) / p purchases. The mean over λ is taken in closed form and
        the mean over p by quadrature, with nodes dense at both ends: the closed form, a 2F1, overflows for very
        frequent buyers. Conditional on being alive, the result depends on x and T alone, so few integrals are needed.
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
    """Log-likelihood of each history and its gradient by r, alpha, a and b; shapes (customers,) and (4, customers).

    >>> history = PurchaseHistory(np.array([2.0]), np.array([30.0]), np.array([38.0]))
    >>> likelihood, gradient = log_likelihood((0.24, 4.41, 0.79, 2.43), history)
    >>> likelihood.round(2).tolist(), gradient.shape
    ([-9.43], (4, 1))
    """
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
    """Log weight of the histories in which the customer is alive, up to a common factor."""
    return -(model.r + x) * np.log(model.alpha + tenure)


def _log_gone(model: BgNbd, x: Floats, recency: Floats) -> Floats:
    """Log weight of the histories in which the customer left after the last purchase; valid for repeat buyers."""
    return np.log(model.a) - np.log(model.b + np.maximum(x, 1) - 1) - (model.r + x) * np.log(model.alpha + recency)
