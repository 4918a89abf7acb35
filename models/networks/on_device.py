"""Run an epoch as one program on the device (JAX): data stays there, and the host waits only for the end.

Keras's `fit` transfers every batch from the host and waits; with small networks a GPU then mostly idles. Only this
module names a backend: `keras.ops` has no gradients and no loop over batches.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras

    from models.networks.data import Data
    from models.networks.heads import Loss

State = tuple[list[Any], list[Any], list[Any]]
"""Values of the trainable, the non-trainable and the optimizer's variables."""


def epoch_runner(
    network: "keras.Model", loss: "Loss", training: "Data", batch: int
) -> Callable[[NDArray[np.intp]], float]:
    """Move the data to the device and compile an epoch over it.

    Args:
        network: compiled network with a built optimizer.
        loss: maps targets and outputs to one value per user.
        training: inputs and targets; they must fit on the device.
        batch: users per step.

    Returns:
        A function that trains on users in a given order, a whole number of batches, and returns the mean loss.

    Raises:
        ValueError: Keras runs on another backend.
    """
    import keras

    if keras.backend.backend() != "jax":
        raise ValueError(
            f"Expected Keras to run on JAX to train on the device, found {keras.backend.backend()}. "
            "Set training.backend to jax, or train with Keras's own loop."
        )
    import jax

    data = jax.tree.map(jax.numpy.asarray, training)
    epoch = jax.jit(partial(_epoch, network, loss), donate_argnums=1)  # data in its closure would be compiled in
    variables = (network.trainable_variables, network.non_trainable_variables, network.optimizer.variables)

    def run(order: NDArray[np.intp]) -> float:
        # copies, because the compiled epoch reuses the memory of its arguments
        state = tuple([jax.numpy.copy(variable.value) for variable in kind] for kind in variables)
        state, losses = epoch(data, state, order.reshape(-1, batch))
        for kind, values in zip(variables, state, strict=True):
            for variable, value in zip(kind, values, strict=True):
                variable.assign(value)
        return float(losses.mean())

    return run


def _epoch(
    network: "keras.Model",
    loss: "Loss",
    data: Any,  # noqa: ANN401 - JAX's arrays
    state: State,
    order: Any,  # noqa: ANN401
) -> tuple[State, Any]:
    """Take one step per row of `order`; return the final state and the loss of each step."""
    import jax

    inputs, targets = data

    def objective(trainable: list[Any], other: list[Any], users: Any) -> tuple[Any, list[Any]]:  # noqa: ANN401
        chosen = {name: values[users] for name, values in inputs.items()}
        outputs, changed = network.stateless_call(trainable, other, chosen, training=True)
        return loss(targets[users], outputs).mean(), changed

    def step(state: State, users: Any) -> tuple[State, Any]:  # noqa: ANN401
        trainable, other, moments = state
        (value, other), gradients = jax.value_and_grad(objective, has_aux=True)(trainable, other, users)
        trainable, moments = network.optimizer.stateless_apply(moments, gradients, trainable)
        return (trainable, other, moments), value

    return jax.lax.scan(step, state, order)
