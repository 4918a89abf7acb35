"""Store a fitted network's weights in less memory: in 8 bits, or pruned to the largest.

Only storage shrinks; arithmetic stays in 32 bits. On a CPU these networks are too small for 8-bit arithmetic to be
faster, and Keras's own `quantize("int8")` skips convolutions and recurrence, half of them.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

Variant = Literal["float32", "int8", "pruned"]


class Int8(NamedTuple):
    """A weight in 8 bits: symmetric, with one scale per output channel (the last axis).

    Attributes:
        values: int8 from -127 to 127; the weight's shape.
        scales: factor of each channel, with as many dimensions.

    >>> restored(Int8(np.array([[127], [-64]], np.int8), np.array([[0.5]], np.float32))).tolist()
    [[63.5], [-32.0]]
    """

    values: NDArray[np.int8]
    scales: Floats


class Sparse(NamedTuple):
    """A weight with most values 0, which take one bit each.

    Attributes:
        shape: the weight's shape.
        stored: packed bit mask of the stored values; above a density of 1/32 shorter than positions.
        values: stored values, in order.

    >>> restored(Sparse((2, 2), np.packbits([True, False, False, True]), np.array([3.0, 4.0], np.float32))).tolist()
    [[3.0, 0.0], [0.0, 4.0]]
    """

    shape: tuple[int, ...]
    stored: NDArray[np.uint8]
    values: Floats


Weight = Floats | Int8 | Sparse


def compressed(weight: Floats, variant: Variant, sparsity: float) -> Weight:
    """Compress a weight; biases are few and stay unchanged.

    Args:
        weight: output channels last.
        variant: "int8" or "pruned"; "float32" changes nothing.
        sparsity: share (0 to 1) of the smallest values by magnitude that pruning removes.

    >>> weight = np.array([[1.0, -0.1], [-2.0, 0.04], [0.5, 0.0]], np.float32)
    >>> restored(compressed(weight, "pruned", sparsity=0.5)).tolist()
    [[1.0, 0.0], [-2.0, 0.0], [0.5, 0.0]]
    """
    if variant == "float32" or weight.size <= 2 * weight.shape[-1]:  # a GRU has two biases in one weight
        return weight
    return _quantised(weight) if variant == "int8" else _pruned(weight, sparsity)


def restored(weight: Weight) -> Floats:
    """Expand a stored weight to float32.

    >>> restored(np.ones(2, np.float32)).tolist()
    [1.0, 1.0]
    """
    if isinstance(weight, Int8):
        return weight.values * weight.scales
    if isinstance(weight, Sparse):
        size = int(np.prod(weight.shape))
        values = np.zeros(size, np.float32)
        values[np.unpackbits(weight.stored, count=size).astype(bool)] = weight.values
        return values.reshape(weight.shape)
    return weight


def _quantised(weight: Floats) -> Int8:
    from keras import ops
    from keras.quantizers import abs_max_quantize

    axes = tuple(range(weight.ndim - 1))
    values, steps = (ops.convert_to_numpy(part) for part in abs_max_quantize(weight, axes, to_numpy=True))
    return Int8(values, 1 / steps)


def _pruned(weight: Floats, sparsity: float) -> Sparse:
    stored = np.ones(weight.size, dtype=bool)
    stored[np.argsort(np.abs(weight), axis=None, kind="stable")[: round(sparsity * weight.size)]] = False
    return Sparse(weight.shape, np.packbits(stored), weight.ravel()[stored])
