"""The networks: a reader of sequences (none, convolution, recurrence or both), then dense layers over everything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import keras

WIDEST_EMBEDDING = 8


@dataclass(kw_only=True)
class Design:
    """What a network looks like.

    Attributes:
        reader: how it reads sequences.
        units: of each dense layer.
        layers: dense layers.
        dropout: share of a dense layer's outputs that is dropped in training.
        filters, kernel: of each convolution; the kernel is in actions.
        memory: units of the recurrent layer.
        cell: kind of the recurrent layer.
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
    """A network without training.

    Args:
        design: its layers.
        shapes: of one user's inputs, by name, see `NetworkEncoder`.
        categories: number of known values of each category.
        outputs: numbers per user, always float32.
        precision: Keras dtype policy of the layers, such as "mixed_bfloat16".
        unroll: write recurrence out step by step: faster on a GPU, slower to compile.
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
    """Two convolutions, then the largest and the mean answer over the user's actions."""
    present = _present(steps)
    hidden = _convolution(design, _convolution(design, steps, present, precision), present, precision)
    return _over_all_actions(hidden, present)


def _rnn(design: Design, steps: "keras.KerasTensor", precision: str, unroll: bool) -> "keras.KerasTensor":
    """One recurrent layer that skips what is no action."""
    from keras import layers

    mask = _present(steps)[..., 0] > 0
    if design.cell == "gru":
        return layers.GRU(design.memory, use_cudnn=False, unroll=unroll, dtype=precision)(steps, mask=mask)
    return layers.LSTM(design.memory, use_cudnn=False, unroll=unroll, dtype=precision)(steps, mask=mask)


def _cnn_lstm(design: Design, steps: "keras.KerasTensor", precision: str, unroll: bool) -> "keras.KerasTensor":
    """A convolution; the largest of each two answers and an LSTM over them; beside its last state, the whole at once.

    The last state remembers the newest actions best. The convolution's largest and mean answers over all actions (as in
    LSTM-FCN, Karim et al. 2018) say how the user is at all, so that the memory is left for what hangs on the order.
    cuDNN's LSTM is left aside: it refuses 16-bit floats and is slower than the plain one at large batches.
    """
    from keras import layers, ops

    present = _present(steps)
    answers = _convolution(design, steps, present, precision)
    hidden = layers.MaxPooling1D(padding="same", dtype=precision)(answers)
    mask = layers.MaxPooling1D(padding="same", dtype="float32")(present)[..., 0] > 0
    last = layers.LSTM(design.memory, use_cudnn=False, unroll=unroll, dtype=precision)(hidden, mask=mask)
    return ops.concatenate([last, _over_all_actions(answers, present)], axis=1)


_READERS = {"cnn": _cnn, "rnn": _rnn, "cnn_lstm": _cnn_lstm}


def _present(steps: "keras.KerasTensor") -> "keras.KerasTensor":
    """The last channel: 1 where there is an action; shape (users, length, 1)."""
    return steps[..., -1:]


def _over_all_actions(answers: "keras.KerasTensor", present: "keras.KerasTensor") -> "keras.KerasTensor":
    """The largest and the mean answer of each filter; answers are 0 where there is no action, and never below."""
    from keras import ops

    count = ops.maximum(ops.sum(present, axis=1), 1.0)
    mean = ops.sum(answers, axis=1) / ops.cast(count, answers.dtype)
    return ops.concatenate([ops.max(answers, axis=1), mean], axis=1)


def _convolution(
    design: Design, steps: "keras.KerasTensor", present: "keras.KerasTensor", precision: str
) -> "keras.KerasTensor":
    """An action sees itself and those before it; what is no action stays 0."""
    from keras import layers, ops

    convolution = layers.Conv1D(design.filters, design.kernel, padding="causal", activation="relu", dtype=precision)
    hidden = convolution(steps)
    return hidden * ops.cast(present, hidden.dtype)
