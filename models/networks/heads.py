"""What a network's outputs mean: how they are scored in training and turned into money in prediction."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.mlp import two_part_loss

if TYPE_CHECKING:
    import keras

Floats = NDArray[np.float64]

Loss = Callable[["keras.KerasTensor", "keras.KerasTensor"], "keras.KerasTensor"]
"""Of targets and outputs, one value per user."""

LARGEST_EXPONENT = 20.0
"""Logarithms of amounts are held within it: amounts are in units of the training mean, and e²⁰ of it is nobody's."""

SIGMA = (0.01, 3.0)
"""The spread of the logarithm of a buyer's amount is held within these; the mean grows with exp(sigma² / 2)."""


class Head(NamedTuple):
    """The last layer.

    Attributes:
        outputs: how many numbers it has per user; the first is the logit of buying.
        loss: of targets (users, 2), bought and amount, and outputs; one value per user.
        amount: mean amount of a buyer from the outputs; shape (users,).
    """

    outputs: int
    loss: Loss
    amount: Callable[[Floats], Floats]


def ziln_loss(targets: "keras.KerasTensor", outputs: "keras.KerasTensor") -> "keras.KerasTensor":
    """Negative log-likelihood of a zero-inflated lognormal amount (Wang, Liu & Miao 2019, equation 5).

    Who bought without spending, having returned as much, counts as a buyer and says nothing about the amount.

    Args:
        targets: shape (users, 2): bought (0 or 1), amount.
        outputs: shape (users, 3): logit of buying, mean and (before softplus) spread of the amount's logarithm.
    """
    from keras import ops

    bought, amount = targets[:, 0], targets[:, 1]
    logit, mean = outputs[:, 0], ops.clip(outputs[:, 1], -LARGEST_EXPONENT, LARGEST_EXPONENT)
    sigma = ops.clip(ops.softplus(outputs[:, 2]), *SIGMA)
    spent = ops.cast(amount > 0, amount.dtype)
    log_amount = ops.log(ops.where(amount > 0, amount, ops.ones_like(amount)))
    log_density = -log_amount - ops.log(sigma) - 0.5 * np.log(2 * np.pi) - 0.5 * ops.square((log_amount - mean) / sigma)
    return ops.softplus(logit) - bought * logit - bought * spent * log_density


def answers(head: Head, outputs: Floats, largest: float) -> tuple[Floats, Floats]:
    """Probability of buying and mean amount of a buyer, at most `largest`; each of shape (users,).

    Nobody is expected to spend more than anyone in training did.
    """
    buys = 1 / (1 + np.exp(-np.clip(outputs[:, 0], -50, 50)))
    return buys, np.minimum(head.amount(outputs), largest)


def _two_part_amount(outputs: Floats) -> Floats:
    return np.exp(np.clip(outputs[:, 1], -LARGEST_EXPONENT, LARGEST_EXPONENT))


def _ziln_amount(outputs: Floats) -> Floats:
    sigma = np.clip(np.logaddexp(0, outputs[:, 2]), *SIGMA)
    return np.exp(np.clip(outputs[:, 1], -LARGEST_EXPONENT, LARGEST_EXPONENT) + sigma**2 / 2)


HEADS = {"two_part": Head(2, two_part_loss, _two_part_amount), "ziln": Head(3, ziln_loss, _ziln_amount)}
