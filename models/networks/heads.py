"""Output heads: loss in training, and conversion of outputs to money in prediction."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras

Floats = NDArray[np.float64]

Loss = Callable[["keras.KerasTensor", "keras.KerasTensor"], "keras.KerasTensor"]
"""Maps targets and outputs to one value per user."""

LARGEST_EXPONENT = 20.0
"""Bound of the logarithm of amounts, which are in units of the training mean; nobody spends e²⁰ times the mean."""

SIGMA = (0.01, 3.0)
"""Bounds of the standard deviation of a buyer's log amount; the mean grows with exp(sigma² / 2)."""


class Head(NamedTuple):
    """An output head.

    Attributes:
        outputs: outputs per user; the first is the logit of buying.
        loss: maps targets (users, 2), bought and amount, and outputs to one value per user.
        amount: maps outputs to a buyer's mean amount; shape (users,).
    """

    outputs: int
    loss: Loss
    amount: Callable[[Floats], Floats]


def two_part_loss(targets: "keras.KerasTensor", outputs: "keras.KerasTensor") -> "keras.KerasTensor":
    """Cross-entropy of the purchase plus, for buyers, the gamma deviance of the amount up to a constant.

    Args:
        targets: bought (0 or 1) and amount; shape (users, 2).
        outputs: logit of buying and logarithm of a buyer's mean amount; shape (users, 2).
    """
    from keras import ops

    bought, amount = targets[:, 0], targets[:, 1]
    logit, log_mean = outputs[:, 0], ops.clip(outputs[:, 1], -10.0, 10.0)
    return ops.softplus(logit) - bought * logit + bought * (log_mean + amount * ops.exp(-log_mean))


def ziln_loss(targets: "keras.KerasTensor", outputs: "keras.KerasTensor") -> "keras.KerasTensor":
    """Negative log-likelihood of a zero-inflated lognormal amount (Wang, Liu & Miao 2019, equation 5).

    Users who bought without spending, because they returned as much, count as buyers without a known amount.

    Args:
        targets: bought (0 or 1) and amount; shape (users, 2).
        outputs: logit of buying, and mean and standard deviation (before softplus) of the log amount; shape (users, 3).
    """
    from keras import ops

    bought, amount = targets[:, 0], targets[:, 1]
    logit, mean = outputs[:, 0], ops.clip(outputs[:, 1], -LARGEST_EXPONENT, LARGEST_EXPONENT)
    sigma = ops.clip(ops.softplus(outputs[:, 2]), *SIGMA)
    spent = ops.cast(amount > 0, amount.dtype)
    log_amount = ops.log(ops.where(amount > 0, amount, ops.ones_like(amount)))
    log_density = -log_amount - ops.log(sigma) - 0.5 * np.log(2 * np.pi) - 0.5 * ops.square((log_amount - mean) / sigma)
    return ops.softplus(logit) - bought * logit - bought * spent * log_density


def predictions(head: Head, outputs: Floats, largest: float) -> tuple[Floats, Floats]:
    """Probability of buying and a buyer's mean amount, clipped at `largest`; shape (users,) each.

    Clipping keeps predictions within the largest amount in training.

    >>> probability, amount = predictions(HEADS["two_part"], np.array([[0.0, 3.0]]), largest=10.0)
    >>> probability.tolist(), amount.tolist()
    ([0.5], [10.0])
    """
    buys = 1 / (1 + np.exp(-np.clip(outputs[:, 0], -50, 50)))
    return buys, np.minimum(head.amount(outputs), largest)


def _two_part_amount(outputs: Floats) -> Floats:
    return np.exp(np.clip(outputs[:, 1], -LARGEST_EXPONENT, LARGEST_EXPONENT))


def _ziln_amount(outputs: Floats) -> Floats:
    sigma = np.clip(np.logaddexp(0, outputs[:, 2]), *SIGMA)
    return np.exp(np.clip(outputs[:, 1], -LARGEST_EXPONENT, LARGEST_EXPONENT) + sigma**2 / 2)


HEADS = {"two_part": Head(2, two_part_loss, _two_part_amount), "ziln": Head(3, ziln_loss, _ziln_amount)}
"""Heads by name."""
