"""Types that the training loops of both backends share."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.networks.encoding import Arrays

Epoch = dict[str, float]
"""Measures of an epoch: `loss` (mean over the epoch, with dropout), `validation_loss` and `validation_ngini` (at its
end, without dropout, on held-out users; the nGini of expected spend is comparable between heads), and `seconds` of
training without validation.
"""


Data = tuple[Arrays, NDArray[np.float32]]
"""Inputs and targets, users on the first axis."""


Loop = Literal["auto", "fit", "device"]
"""Training loop of an epoch: "fit" is Keras's, "device" keeps the data on the device and runs an epoch as one program
(JAX), "auto" is "device" on a GPU with JAX and "fit" elsewhere.
"""
