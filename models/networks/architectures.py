"""Network architectures: a sequence reader (none, convolution, recurrence or both), then dense layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import keras

WIDEST_EMBEDDING = 8
"""Maximum width of a category's embedding."""


@dataclass(kw_only=True)
class Design:
    """Hyperparameters of a network's architecture.

    Attributes:
        reader: architecture that reads sequences.
        units: units of each dense layer.
        layers: number of dense layers.
        dropout: dropout rate after each dense layer.
        filters, kernel: filters and kernel size (in actions) of each convolution.
        memory: units of the recurrent layer.
        cell: type of the recurrent layer.

    >>> Design(reader="rnn", cell="lstm").memory
    32
    """

    reader: Literal["none", "cnn", "rnn", "cnn_lstm"] = "none"
    units: int = 64
    layers: int = 2
    dropout: float = 0.1
    filters: int = 32
    kernel: int = 3
    memory: int = 32
    cell: Literal["gru", "lstm"] = "gru"


def build(
    design: Design,
    shapes: Mapping[str, tuple[int, ...]],
    categories: Sequence[int],
    outputs: int,
    precision: str = "float32",
    *,
    unroll: bool = False,
) -> "keras.Model":
    """Build an untrained network.

    Args:
        design: its architecture.
        shapes: shape of one user's inputs, by name, see `NetworkEncoder`.
        categories: number of known values of each category.
        outputs: outputs per user, always float32.
        precision: Keras dtype policy of the layers, such as "mixed_bfloat16".
        unroll: unroll recurrence: faster on a GPU, slower to compile.
    """
    import keras
    from keras import layers

    inputs = {
        name: keras.Input(shape, dtype="int32" if name == "categories" else "float32", name=name)
        for name, shape in shapes.items()
    }
    parts = [inputs["numbers"]]
    for column, known in enumerate(categories):
        width = min(WIDEST_EMBEDDING, 1 + known // 2)
        parts.append(layers.Embedding(known + 1, width, dtype=precision)(inputs["categories"][:, column]))
    if design.reader != "none":
        parts.append(_READERS[design.reader](design, inputs["steps"], precision, unroll))
    hidden = layers.Concatenate(dtype=precision)(parts) if len(parts) > 1 else parts[0]
    for _ in range(design.layers):
        hidden = layers.Dense(design.units, activation="relu", dtype=precision)(hidden)
        hidden = layers.Dropout(design.dropout, dtype=precision)(hidden)
    return keras.Model(inputs, layers.Dense(outputs, dtype="float32")(hidden))


def _cnn(
    design: Design,
    steps: "keras.KerasTensor",
    precision: str,
    unroll: bool,  # noqa: ARG001 - nothing recurs
) -> "keras.KerasTensor":
    """Two convolutions, then maximum and mean over the user's actions."""
    present = _present(steps)
    hidden = _convolution(design, _convolution(design, steps, present, precision), present, precision)
    return _over_all_actions(hidden, present)


def _rnn(design: Design, steps: "keras.KerasTensor", precision: str, unroll: bool) -> "keras.KerasTensor":
    """One recurrent layer that masks padding."""
    from keras import layers

    mask = _present(steps)[..., 0] > 0
    if design.cell == "gru":
        return layers.GRU(design.memory, use_cudnn=False, unroll=unroll, dtype=precision)(steps, mask=mask)
    return layers.LSTM(design.memory, use_cudnn=False, unroll=unroll, dtype=precision)(steps, mask=mask)


def _cnn_lstm(design: Design, steps: "keras.KerasTensor", precision: str, unroll: bool) -> "keras.KerasTensor":
    """A convolution, max pooling by two and an LSTM; its last state beside pooling over all actions.

    The last state represents the newest actions best. Global pooling of the convolution's outputs (as in LSTM-FCN,
    Karim et al. 2018) describes the user as a whole, so that the LSTM can specialise in what depends on order. cuDNN's
    LSTM is not used: it refuses 16-bit floats and is slower than the plain one at large batches.
    """
    from keras import layers, ops

    present = _present(steps)
    outputs = _convolution(design, steps, present, precision)
    hidden = layers.MaxPooling1D(padding="same", dtype=precision)(outputs)
    mask = layers.MaxPooling1D(padding="same", dtype="float32")(present)[..., 0] > 0
    last = layers.LSTM(design.memory, use_cudnn=False, unroll=unroll, dtype=precision)(hidden, mask=mask)
    return ops.concatenate([last, _over_all_actions(outputs, present)], axis=1)


_READERS = {"cnn": _cnn, "rnn": _rnn, "cnn_lstm": _cnn_lstm}


def _present(steps: "keras.KerasTensor") -> "keras.KerasTensor":
    """Select the last channel: 1 where there is an action; shape (users, length, 1)."""
    return steps[..., -1:]


def _over_all_actions(outputs: "keras.KerasTensor", present: "keras.KerasTensor") -> "keras.KerasTensor":
    """Maximum and mean of each filter over the actions; filter outputs are non-negative, and 0 at padding."""
    from keras import ops

    count = ops.maximum(ops.sum(present, axis=1), 1.0)
    mean = ops.sum(outputs, axis=1) / ops.cast(count, outputs.dtype)
    return ops.concatenate([ops.max(outputs, axis=1), mean], axis=1)


def _convolution(
    design: Design, steps: "keras.KerasTensor", present: "keras.KerasTensor", precision: str
) -> "keras.KerasTensor":
    """Causal convolution; padding stays 0."""
    from keras import layers, ops

    convolution = layers.Conv1D(design.filters, design.kernel, padding="causal", activation="relu", dtype=precision)
    hidden = convolution(steps)
    return hidden * ops.cast(present, hidden.dtype)
