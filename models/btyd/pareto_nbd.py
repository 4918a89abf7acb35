"""Pareto/NBD: customers buy at individual rates and leave for good after individual lifetimes.

Schmittlein, Morrison & Colombo (1987), Counting your customers, Management Science 33 (1). The purchase rate λ is
Gamma(r, alpha) distributed over customers; lifetimes are exponential with a rate μ that is Gamma(s, beta) distributed.
The likelihood is usually written with two 2F1, which overflow for very frequent buyers; here the underlying integral
over the day of leaving is computed by quadrature.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.special import digamma, expit, gammaln

from models.btyd.maximum_likelihood import Parameters, Process
from models.btyd.purchase_history import Floats, PurchaseHistory, by_distinct

TAIL = 30.0
"""The integral over the day of leaving is truncated where its integrand falls below e^-TAIL of its start."""

POSITIONS, WEIGHTS = np.polynomial.legendre.leggauss(24)
"""Gauss-Legendre nodes on [-1, 1] and their weights."""


@dataclass(frozen=True)
class ParetoNbd:
    """A Pareto/NBD model.

    Attributes:
        r, alpha: shape and rate (days) of the purchase rate's gamma distribution.
        s, beta: shape and rate (days) of the leaving rate's gamma distribution. alpha and beta may be arrays with one
            value per customer.

    >>> history = PurchaseHistory(np.array([5.0, 5.0]), np.array([20.0, 39.0]), np.array([40.0, 40.0]))
    >>> model = ParetoNbd(r=0.55, alpha=10.6, s=0.61, beta=11.7)
    >>> model.alive(history).round(2).tolist()
    [0.33, 0.99]
    >>> model.expected_purchases(history, days=28).round(2).tolist()
    [0.89, 2.64]
    """

    r: float
    alpha: float | Floats
    s: float
    beta: float | Floats

    def alive(self, history: PurchaseHistory) -> Floats:
        """Probability that each customer has not left; shape (customers,)."""
        return by_distinct(_alive, self.r, self.alpha, self.s, self.beta, *history)

    def any_purchase(self, history: PurchaseHistory, days: float) -> Floats:
        """Probability of at least one purchase in the next `days`; shape (customers,).

        For customers who are alive, λ is Gamma(r + x, alpha + T) and μ is Gamma(s, beta + T); the probability of no
        purchase by the end is another likelihood of the same form.
        """
        comes_back = by_distinct(
            partial(_comes_back, days), self.r, self.alpha, self.s, self.beta, history.frequency, history.T
        )
        return self.alive(history) * comes_back

    def expected_purchases(self, history: PurchaseHistory, days: float) -> Floats:
        """Expected number of purchases in the next `days`; shape (customers,)."""
        x, _, tenure = history
        growth = np.log1p(days / (self.beta + tenure))
        power = self.s - 1
        lived = growth if power == 0 else -np.expm1(-power * growth) / power
        return self.alive(history) * (self.r + x) / (self.alpha + tenure) * (self.beta + tenure) * lived


def _alive(
    r: float, alpha: float | Floats, s: float, beta: float | Floats, x: Floats, recency: Floats, tenure: Floats
) -> Floats:
    rate = Rates(r + x, alpha, s, beta)
    return np.asarray(expit(_log_stayed(rate, tenure) - _when_left(rate, recency, tenure).log_weight))


def _comes_back(
    days: float, r: float, alpha: float | Floats, s: float, beta: float | Floats, x: Floats, tenure: Floats
) -> Floats:
    rate = Rates(r + x, alpha + tenure, s, beta + tenure)
    end = np.full_like(tenure, days)
    none = np.logaddexp(_log_stayed(rate, end), _when_left(rate, np.zeros_like(end), end).log_weight)
    none += rate.shape * np.log(rate.alpha) + s * np.log(rate.beta)
    return -np.expm1(np.minimum(none, 0.0))


def log_likelihood(parameters: Parameters, history: PurchaseHistory) -> tuple[Floats, Floats]:
    """Log-likelihood of each history and its gradient by r, alpha, s and beta; shapes (customers,) and (4, customers).

    >>> history = PurchaseHistory(np.array([2.0]), np.array([30.0]), np.array([38.0]))
    >>> likelihood, gradient = log_likelihood((0.55, 10.6, 0.61, 11.7), history)
    >>> likelihood.round(2).tolist(), gradient.shape
    ([-9.51], (4, 1))
    """
    r, alpha, s, beta = parameters
    x, recency, tenure = history
    rate = Rates(r + x, alpha, s, beta)
    left = _when_left(rate, recency, tenure)
    log_stayed = _log_stayed(rate, tenure)
    log_sum = np.logaddexp(log_stayed, left.log_weight)
    likelihood = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta) + log_sum
    alive = np.exp(log_stayed - log_sum)
    gone = 1 - alive
    alpha_left, beta_left = (np.reshape(part, (-1, 1)) + left.day for part in (alpha, beta))
    gradient = np.array(
        [
            digamma(r + x)
            - digamma(r)
            + np.log(alpha)
            - alive * np.log(alpha + tenure)
            - gone * left.mean(np.log(alpha_left)),
            r / alpha - (r + x) * (alive / (alpha + tenure) + gone * left.mean(1 / alpha_left)),
            np.log(beta) - alive * np.log(beta + tenure) + gone * (1 / s - left.mean(np.log(beta_left))),
            s / beta - alive * s / (beta + tenure) - gone * (s + 1) * left.mean(1 / beta_left),
        ]
    )
    return likelihood, gradient


PROCESS = Process(
    ParetoNbd,
    log_likelihood,
    starts=((0.5, 1.0, 0.5, 1.0), (2.0, 2.0, 0.2, 0.3)),
    is_time=(False, True, False, True),
    effects=(0, -1, 0, -1),
)


class Rates(NamedTuple):
    """Parameters of the distributions: λ is Gamma(shape, alpha), μ is Gamma(s, beta); per customer or common."""

    shape: Floats
    alpha: Floats | float
    s: float
    beta: Floats | float


class WhenLeft(NamedTuple):
    """Distribution of the day on which customers left, if they did.

    Attributes:
        log_weight: log-likelihood of having left, on the scale of `_log_stayed`; shape (customers,).
        day, probability: quadrature nodes and their weights; shape (customers, nodes).
    """

    log_weight: Floats
    day: Floats
    probability: Floats

    def mean(self, values: Floats) -> Floats:
        """Expectation of a function of the day; shape (customers,)."""
        return np.asarray((self.probability * values).sum(axis=1))


def _log_stayed(rate: Rates, end: Floats) -> Floats:
    """Log of E[λ^x e^-(λ + μ) end], up to a factor that depends on x."""
    return np.asarray(-rate.shape * np.log(rate.alpha + end) - rate.s * np.log(rate.beta + end))


def _when_left(rate: Rates, start: Floats, end: Floats) -> WhenLeft:
    """Counterpart of `_log_stayed` for leaving between `start` and `end`, with λ and μ integrated out.

    It is s ∫ (alpha + t)^-shape (beta + t)^-(s + 1) dt. In v = log((c + t) / (c + start)), c being the smaller of alpha
    and beta, the log of the integrand is concave, so its slope at the start bounds the range that matters; on that
    range Gauss-Legendre converges fast for any shape.
    """
    shape, alpha, s, beta = (np.broadcast_to(part, start.shape)[:, None] for part in rate)
    start, end = start[:, None], end[:, None]
    near = np.minimum(alpha, beta)
    decline = (near + start) * (shape / (alpha + start) + (s + 1) / (beta + start)) - 1
    stop = np.minimum(np.log((near + end) / (near + start)), TAIL / np.maximum(decline, 1e-9))
    v = stop * (POSITIONS + 1) / 2
    day = start + (near + start) * np.expm1(v)
    log_integrand = -shape * np.log(alpha + day) - (s + 1) * np.log(beta + day) + np.log(near + start) + v
    log_part = log_integrand + np.log(s * WEIGHTS / 2) + np.log(np.maximum(stop, 1e-300))
    largest = log_part.max(axis=1, keepdims=True)
    part = np.exp(log_part - largest)
    total = part.sum(axis=1, keepdims=True)
    return WhenLeft((largest + np.log(total))[:, 0], day, part / total)
