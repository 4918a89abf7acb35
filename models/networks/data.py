"""What the training loops of both backends share: arrays of users, and the types of an epoch and of a loop."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.networks.encoding import Arrays

Epoch = dict[str, float]
"""`loss` (mean over the epoch, dropout on), `validation_loss` and `validation_ngini` (at its end, dropout off, on the
held-out users; the normalized Gini of expected spend, which compares between heads) and `seconds` (of training,
without the validation)."""


Data = tuple[Arrays, NDArray[np.float32]]
"""Inputs and targets, users first."""


Loop = Literal["auto", "fit", "device"]
"""How an epoch runs: "fit" is Keras's loop, "device" keeps the data on the device and runs an epoch as one program
(JAX), "auto" is "device" on a GPU with JAX."""
