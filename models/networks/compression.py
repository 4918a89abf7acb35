"""The weights of a fitted network in less memory: in 8 bits, or only the largest of them.

It is the stored network that shrinks, and the arithmetic stays in 32 bits: on a CPU these networks are too small for
8-bit arithmetic to be faster, and Keras's own `quantize("int8")` leaves out convolutions and recurrence, half of them.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

Variant = Literal["float32", "int8", "pruned"]


class Int8(NamedTuple):
    """A weight in 8 bits: symmetric, with one scale per output channel (the last axis).

    Attributes:
        values: int8 from -127 to 127, of the weight's shape.
        scales: the values of a channel are multiplied by it; of as many dimensions.
    """

    values: NDArray[np.int8]
    scales: Floats


class Sparse(NamedTuple):
    """A weight of which most values are 0 and take one bit each.

    Attributes:
        shape: of the weight.
        kept: whether each value is there, as packed bits; above a density of 1/32 shorter than their positions.
        values: those that are there, in order.
    """

    shape: tuple[int, ...]
    kept: NDArray[np.uint8]
    values: Floats


Weight = Floats | Int8 | Sparse


def compressed(weight: Floats, variant: Variant, sparsity: float) -> Weight:
    """A weight as the variant stores it; biases stay as they are, for they are few.

    Args:
        weight: output channels last.
        variant: "int8" or "pruned"; "float32" changes nothing.
        sparsity: share (0 to 1) of the values that a pruned weight loses, the smallest by magnitude.
    """
    if variant == "float32" or weight.size <= 2 * weight.shape[-1]:  # a GRU has two biases in one weight
        return weight
    return _quantised(weight) if variant == "int8" else _pruned(weight, sparsity)


def restored(weight: Weight) -> Floats:
    """The weight as the network computes with it."""
    if isinstance(weight, Int8):
        return weight.values * weight.scales
    if isinstance(weight, Sparse):
        size = int(np.prod(weight.shape))
        values = np.zeros(size, np.float32)
        values[np.unpackbits(weight.kept, count=size).astype(bool)] = weight.values
        return values.reshape(weight.shape)
    return weight


def _quantised(weight: Floats) -> Int8:
    from keras import ops
    from keras.quantizers import abs_max_quantize

    axes = tuple(range(weight.ndim - 1))
    values, steps = (ops.convert_to_numpy(part) for part in abs_max_quantize(weight, axes, to_numpy=True))
    return Int8(values, 1 / steps)


def _pruned(weight: Floats, sparsity: float) -> Sparse:
    kept = np.ones(weight.size, dtype=bool)
    kept[np.argsort(np.abs(weight), axis=None, kind="stable")[: round(sparsity * weight.size)]] = False
    return Sparse(weight.shape, np.packbits(kept), weight.ravel()[kept])
