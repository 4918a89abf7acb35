"""The training loop that the networks share: epochs, early stopping, checkpoints, and someone who watches."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.measures.gini import normalized_gini
from models.networks.checkpoints import Checkpoint, fingerprint
from models.networks.data import Data, Epoch, Loop
from models.networks.heads import Head, Loss, answers

if TYPE_CHECKING:
    import keras


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
    head: Head,
    training: Data,
    held_out: Data,
    schedule: Schedule,
    *,
    checkpoints: Path | None = None,
    watch: Callable[[int, Epoch], None] | None = None,
    loop: Loop = "auto",
) -> list[Epoch]:
    """Train the network and leave it with the weights of its best epoch.

    Every epoch goes once through the training data in an order drawn from (seed, epoch), in whole batches: the users
    beyond the last whole batch wait for another epoch's order. After each epoch everything that the next one depends
    on is written to `checkpoints`; a run on the same data that finds it there goes on where the other one ended, to
    the same weights.

    Args:
        network: freshly built; `keras.utils.set_random_seed` before building it makes the run repeatable.
        head: what its outputs mean.
        training: inputs and targets.
        held_out: inputs and targets that decide when to stop.
        schedule: how long and how fast.
        checkpoints: folder to write to and resume from; None: no checkpoints.
        watch: is told each epoch (from 0) and its losses, those of a resumed run included.
        loop: see `Loop`.

    Returns:
        The losses of each epoch, those of a resumed run included.
    """
    compile_for(network, head.loss, schedule)
    run_epoch = _epoch_runner(network, head.loss, training, min(schedule.batch, len(training[1])), loop)
    checkpoint = Checkpoint(checkpoints, _identity(network, training, held_out, schedule))
    history, best = checkpoint.resume(network)
    for epoch in range(schedule.epochs):
        if epoch == len(history):
            if history and _epochs_since_best(history) >= schedule.patience:
                break
            trained = run_epoch(np.random.default_rng([schedule.seed, epoch]).permutation(len(training[1])))
            history.append(trained | _check(network, head, held_out, float(training[1][:, 1].max())))
            if _epochs_since_best(history) == 0:
                best = network.get_weights()
            checkpoint.save(network, history, best)
        if watch:
            watch(epoch, history[epoch])
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
    network: "keras.Model", loss: Loss, training: Data, batch: int, loop: Loop
) -> Callable[[NDArray[np.intp]], Epoch]:
    """What trains one epoch in a given order of users, and says its loss and seconds."""
    import keras

    if loop == "device" or (loop == "auto" and on_gpu() and keras.backend.backend() == "jax"):
        from models.networks.on_device import epoch_runner

        run = epoch_runner(network, loss, training, batch)
    else:
        run = _fit_runner(network, training, batch)

    def timed(order: NDArray[np.intp]) -> Epoch:
        started = monotonic()
        mean = run(order[: len(order) - len(order) % batch])
        return {"loss": mean, "seconds": monotonic() - started}

    return timed


def _fit_runner(network: "keras.Model", training: Data, batch: int) -> Callable[[NDArray[np.intp]], float]:
    inputs, targets = training

    def run(order: NDArray[np.intp]) -> float:
        ordered = {name: values[order] for name, values in inputs.items()}
        losses = network.fit(ordered, targets[order], batch_size=batch, epochs=1, shuffle=False, verbose=0).history
        return float(losses["loss"][0])

    return run


def _check(network: "keras.Model", head: Head, held_out: Data, largest: float) -> Epoch:
    """How the network does on the held-out users now; `largest` is the largest amount in training."""
    from keras import ops

    inputs, targets = held_out
    outputs = network.predict(inputs, batch_size=EVALUATION_BATCH, verbose=0)
    loss = ops.mean(head.loss(ops.convert_to_tensor(targets), ops.convert_to_tensor(outputs)))
    buys, amount = answers(head, outputs.astype(np.float64), largest)
    return {"validation_loss": float(loss), "validation_ngini": normalized_gini(targets[:, 1], buys * amount)}


def _epochs_since_best(history: list[Epoch]) -> int:
    losses = np.nan_to_num([epoch["validation_loss"] for epoch in history], nan=np.inf)
    return len(losses) - 1 - int(np.argmin(losses))


def _identity(network: "keras.Model", training: Data, held_out: Data, schedule: Schedule) -> str:
    """What a checkpoint belongs to; epochs and patience may be raised, and a run goes on."""
    arrays = [array for inputs, targets in (training, held_out) for array in (*inputs.values(), targets)]
    return fingerprint(network, replace(schedule, epochs=0, patience=0), arrays)
