"""The training loop that the networks share: epochs, early stopping, and checkpoints that a killed run resumes from."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.networks.encoding import Arrays

if TYPE_CHECKING:
    import keras

Loss = Callable[["keras.KerasTensor", "keras.KerasTensor"], "keras.KerasTensor"]
Epoch = dict[str, float]
"""`loss` (mean over the epoch, dropout on), `validation_loss` (at its end, dropout off) and
`seconds` (of training, without the validation)."""

Data = tuple[Arrays, NDArray[np.float32]]
"""Inputs and targets, users first."""

EVALUATION_BATCH = 8_192
LARGEST_GRADIENT = 1.0
"""Norm at which a gradient is cut: one strange batch must not throw a recurrent network off."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train: stops when the validation loss was not improved for `patience` epochs."""

    batch: int
    epochs: int
    patience: int
    learning_rate: float
    weight_decay: float
    seed: int


def train(
    network: "keras.Model",
    loss: Loss,
    training: Data,
    held_out: Data,
    schedule: Schedule,
    *,
    checkpoints: Path | None = None,
    loop: Literal["auto", "fit", "device"] = "auto",
) -> list[Epoch]:
    """Train the network and leave it with the weights of its best epoch.

    Every epoch goes once through the training data in an order drawn from (seed, epoch), in whole batches: the users
    beyond the last whole batch wait for another epoch's order. After each epoch everything that the next one depends
    on is written to `checkpoints`; a run on the same data that finds it there goes on where the other one ended, to
    the same weights. What another network or other data left there is not used, and overwritten.

    Args:
        network: freshly built; `keras.utils.set_random_seed` before building it makes the run repeatable.
        loss: of targets and outputs, one value per user.
        training: inputs and targets.
        held_out: inputs and targets that decide when to stop.
        schedule: how long and how fast.
        checkpoints: folder to write to and resume from; None: no checkpoints.
        loop: "fit" is Keras's, "device" keeps the data on the device and runs an epoch as one program (JAX), "auto" is
            "device" on a GPU with JAX.

    Returns:
        The losses of each epoch, those of a resumed run included.
    """
    compile_for(network, loss, schedule)
    batch = min(schedule.batch, len(training[1]))
    run_epoch = _epoch_runner(network, loss, training, batch, loop)
    path = checkpoints / "epoch.npz" if checkpoints else None
    identity = _identity(network, training, schedule)
    history, best = _resume(network, path, identity)
    for epoch in range(len(history), schedule.epochs):
        if history and _epochs_since_best(history) >= schedule.patience:
            break
        started = monotonic()
        order = np.random.default_rng([schedule.seed, epoch]).permutation(len(training[1]))
        mean = run_epoch(order[: len(order) - len(order) % batch])
        seconds = monotonic() - started
        check = float(network.evaluate(*held_out, batch_size=EVALUATION_BATCH, verbose=0))
        history.append({"loss": mean, "validation_loss": check, "seconds": seconds})
        if _epochs_since_best(history) == 0:
            best = network.get_weights()
        if path:
            _save(path, identity, network, history, best)
    network.set_weights(best)
    return history


def compile_for(network: "keras.Model", loss: Loss, schedule: Schedule) -> None:
    """Give the network its optimizer and loss."""
    import keras

    optimizer = keras.optimizers.AdamW(
        schedule.learning_rate, weight_decay=schedule.weight_decay, global_clipnorm=LARGEST_GRADIENT
    )
    optimizer.build(network.trainable_variables)
    # on a CPU, TensorFlow takes longer to compile ahead than compiling saves; JAX without it is no more than NumPy
    network.compile(optimizer, loss, jit_compile=on_gpu() or keras.backend.backend() == "jax")


def on_gpu() -> bool:
    """Whether Keras computes on a GPU here, where 16-bit floats and compiling ahead pay."""
    import keras

    return any(device.startswith("gpu") for device in keras.distribution.list_devices())


def _epoch_runner(
    network: "keras.Model", loss: Loss, training: Data, batch: int, loop: str
) -> Callable[[NDArray[np.intp]], float]:
    """What takes an order of users and gives the mean loss of an epoch in this order."""
    import keras

    if loop == "device" or (loop == "auto" and on_gpu() and keras.backend.backend() == "jax"):
        from models.networks.on_device import epoch_runner

        return epoch_runner(network, loss, training, batch)
    inputs, targets = training

    def run(order: NDArray[np.intp]) -> float:
        ordered = {name: values[order] for name, values in inputs.items()}
        losses = network.fit(ordered, targets[order], batch_size=batch, epochs=1, shuffle=False, verbose=0).history
        return float(losses["loss"][0])

    return run


def _epochs_since_best(history: list[Epoch]) -> int:
    losses = np.nan_to_num([epoch["validation_loss"] for epoch in history], nan=np.inf)
    return len(losses) - 1 - int(np.argmin(losses))


def _identity(network: "keras.Model", training: Data, schedule: Schedule) -> str:
    """A fingerprint of what a checkpoint belongs to; the number of epochs may be raised."""
    digest = hashlib.sha256(network.to_json().encode())
    digest.update(repr((schedule.batch, schedule.learning_rate, schedule.weight_decay, schedule.seed)).encode())
    for values in (*training[0].values(), training[1]):
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _state(network: "keras.Model") -> list[Any]:
    """All that changes in training: weights, states of random generators, moments of the optimizer."""
    return [*network.variables, *network.optimizer.variables]


def _save(
    path: Path, identity: str, network: "keras.Model", history: list[Epoch], best: list[NDArray[np.float32]]
) -> None:
    """Write the checkpoint so that a kill leaves the one before it or this one, and nothing between."""
    from keras import ops

    arrays = {
        f"state_{number}": ops.convert_to_numpy(variable.value) for number, variable in enumerate(_state(network))
    }
    arrays |= {f"best_{number}": weights for number, weights in enumerate(best)}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    with partial.open("wb") as file:
        np.savez(file, about=np.array(json.dumps({"identity": identity, "history": history})), **arrays)
    partial.replace(path)


def _resume(network: "keras.Model", path: Path | None, identity: str) -> tuple[list[Epoch], list[NDArray[np.float32]]]:
    """Put the network into the state of its checkpoint, if there is one of it; history and best weights so far."""
    if path is None or not path.is_file():
        return [], network.get_weights()
    with np.load(path) as arrays:
        about = json.loads(str(arrays["about"]))
        if about["identity"] != identity:
            return [], network.get_weights()
        for number, variable in enumerate(_state(network)):
            variable.assign(arrays[f"state_{number}"])
        return about["history"], [arrays[f"best_{number}"] for number in range(len(network.get_weights()))]
