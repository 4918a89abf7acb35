"""Training loop of the networks: epochs, early stopping, checkpoints and a callback."""

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
from models.networks.heads import Head, Loss, predictions

if TYPE_CHECKING:
    import keras


EVALUATION_BATCH = 8_192
"""Users per batch in validation."""
LARGEST_GRADIENT = 1.0
"""Global norm at which gradients are clipped, so that an unusual batch cannot derail a recurrent network."""


@dataclass(frozen=True)
class Schedule:
    """Length and rate of a training; it stops after `patience` epochs without a lower validation loss.

    >>> Schedule(batch=1_024, epochs=16, patience=2, learning_rate=2e-3, weight_decay=1e-2, seed=0).patience
    2
    """

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
    """Train the network; it ends with the weights of its best epoch.

    Every epoch visits the training data once, in an order drawn from (seed, epoch), in whole batches; users beyond the
    last whole batch are skipped in that epoch. After each epoch everything that the next one depends on is written to
    `checkpoints`; a rerun on the same data resumes from there, to the same weights.

    Args:
        network: freshly built; call `keras.utils.set_random_seed` before building for a repeatable run.
        head: its output head.
        training: inputs and targets.
        held_out: inputs and targets for early stopping.
        schedule: length and rate of the training.
        checkpoints: folder to write to and resume from; None: no checkpoints.
        watch: called with each epoch (from 0) and its measures, including restored epochs.
        loop: see `Loop`.

    Returns:
        Measures of each epoch, including restored epochs.
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
    """Compile the network with its optimizer and loss."""
    import keras

    optimizer = keras.optimizers.AdamW(
        schedule.learning_rate, weight_decay=schedule.weight_decay, global_clipnorm=LARGEST_GRADIENT
    )
    optimizer.build(network.trainable_variables)
    # on a CPU, compiling ahead costs TensorFlow more than it saves; without compilation JAX is as slow as NumPy
    network.compile(optimizer, loss, jit_compile=on_gpu() or keras.backend.backend() == "jax")


def on_gpu() -> bool:
    """Say whether Keras computes on a GPU, where 16-bit floats and ahead-of-time compilation pay."""
    import keras

    return any(device.startswith("gpu") for device in keras.distribution.list_devices())


def _epoch_runner(
    network: "keras.Model", loss: Loss, training: Data, batch: int, loop: Loop
) -> Callable[[NDArray[np.intp]], Epoch]:
    """Make a function that trains one epoch in a given order and returns its loss and seconds."""
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
    """Measure the network on held-out users; `largest` is the largest amount in training."""
    from keras import ops

    inputs, targets = held_out
    outputs = network.predict(inputs, batch_size=EVALUATION_BATCH, verbose=0)
    loss = ops.mean(head.loss(ops.convert_to_tensor(targets), ops.convert_to_tensor(outputs)))
    buys, amount = predictions(head, outputs.astype(np.float64), largest)
    return {"validation_loss": float(loss), "validation_ngini": normalized_gini(targets[:, 1], buys * amount)}


def _epochs_since_best(history: list[Epoch]) -> int:
    losses = np.nan_to_num([epoch["validation_loss"] for epoch in history], nan=np.inf)
    return len(losses) - 1 - int(np.argmin(losses))


def _identity(network: "keras.Model", training: Data, held_out: Data, schedule: Schedule) -> str:
    """Fingerprint of a training without epochs and patience, which a resumed run may raise."""
    arrays = [array for inputs, targets in (training, held_out) for array in (*inputs.values(), targets)]
    return fingerprint(network, replace(schedule, epochs=0, patience=0), arrays)
