"""Users per second in training the CNN-LSTM network: Keras's `fit` on host arrays against the loop on the device.

Run it on a GPU machine with JAX (`pip install 'purse[jax]'`):

    KERAS_BACKEND=jax python benchmarks/gpu_training.py

It prints the table of benchmarks/gpu_training.md. Without a GPU it says so and runs a tiny case as a check.
"""

import argparse
import os
from time import perf_counter
from typing import Literal, NamedTuple

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from models.networks.architectures import Design, build
from models.networks.data import Data, Epoch
from models.networks.heads import HEADS
from models.networks.training import Schedule, compile_for, on_gpu, train

DESIGN = Design(reader="cnn_lstm", filters=64, memory=50, units=50, layers=1, dropout=0.0)
NUMBERS = 1
HEAD = HEADS["two_part"]

PEAK_TFLOPS = {"H100": (67, 989), "H200": (67, 989), "A100": (19.5, 312), "L4": (30, 121), "V100": (15.7, None)}
"""Operations per second by the makers' data sheets: float32 without tensor cores, and dense bfloat16."""


class Case(NamedTuple):
    """One row of the table."""

    name: str
    loop: Literal["plain", "device"]
    precision: str
    unroll: bool


CASES = (
    Case("`fit`, arrays on the host", "plain", "float32", unroll=False),
    Case("loop on the device", "device", "float32", unroll=False),
    Case("loop on the device, unrolled", "device", "float32", unroll=True),
    Case("loop on the device, unrolled, 16-bit", "device", "mixed_bfloat16", unroll=True),
)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[8_192, 32_768], help="users per step")
    parser.add_argument("--steps", type=int, default=16, help="steps per epoch")
    parser.add_argument("--epochs", type=int, default=4, help="epochs measured, after one that compiles")
    given = parser.parse_args()
    batches, steps, epochs, length, channels = given.batches, given.steps, given.epochs, 64, 16
    device = _device()
    print(f"Keras {keras.__version__} on {keras.backend.backend()}, {device}")
    if not on_gpu():
        print("No GPU here: a tiny case on the CPU, which says nothing about a GPU.")
        batches, steps, epochs, length = [64], 2, 1, 8
    print(f"{length} steps x {channels} features; floor: {flops_per_user(length, channels):,.0f} operations per user\n")
    print("| batch | training | users/s | against `fit` | last loss | arithmetic floor, users/s |")
    print("|---|---|---|---|---|---|")
    for batch in batches:
        data, plain = some_data(batch * steps, length, channels), 0.0
        for case in CASES:
            if case.loop == "device" and keras.backend.backend() != "jax":
                continue
            speed, loss = measure(case, data, batch, epochs)
            plain = plain or speed
            floor = _floor(device, case.precision, flops_per_user(length, channels))
            print(
                f"| {batch:,} | {case.name} | {speed:,.0f} | {speed / plain:.1f} x | {loss:.4f} | {floor} |", flush=True
            )


def measure(case: Case, data: Data, batch: int, epochs: int) -> tuple[float, float]:
    """Users per second in the fastest epoch, compiling and validation left out, and the last epoch's training loss."""
    keras.utils.set_random_seed(0)
    shapes = {name: values.shape[1:] for name, values in data[0].items()}
    network = build(DESIGN, shapes, [], HEAD.outputs, case.precision, unroll=case.unroll)
    schedule = Schedule(batch, epochs + 1, epochs + 1, learning_rate=1e-3, weight_decay=0.0, seed=0)
    if case.loop == "device":
        few = {name: values[:batch] for name, values in data[0].items()}, data[1][:batch]
        history = train(network, HEAD, data, few, schedule, loop="device")
    else:
        history = plain_fit(network, data, schedule)
    return len(data[1]) / min(epoch["seconds"] for epoch in history[1:]), history[-1]["loss"]


def plain_fit(network: keras.Model, data: Data, schedule: Schedule) -> list[Epoch]:
    """Train with plain `fit`, one call per epoch to separate the first one, which compiles."""
    compile_for(network, HEAD.loss, schedule)
    history = []
    for _ in range(schedule.epochs):
        started = perf_counter()
        losses = network.fit(*data, batch_size=schedule.batch, verbose=0).history["loss"]
        history.append({"loss": losses[0], "seconds": perf_counter() - started})
    return history


def some_data(users: int, length: int, channels: int) -> Data:
    """Make users whose last action decides whether they buy; the last channel marks real actions."""
    random = np.random.default_rng(0)
    steps = random.normal(size=(users, length, channels)).astype(np.float32)
    steps[..., -1] = np.arange(length) >= length - random.integers(1, length + 1, users)[:, None]
    bought = steps[:, -1, 0] + random.normal(size=users) > 0
    inputs = {"numbers": np.zeros((users, NUMBERS), np.float32), "steps": steps}
    return inputs, np.column_stack([bought, bought * random.lognormal(size=users)]).astype(np.float32)


def flops_per_user(length: int, channels: int) -> float:
    """Multiplications and additions of one training step per user; the backward pass costs twice the forward pass."""
    convolution = length * DESIGN.kernel * channels * DESIGN.filters
    recurrence = (length // 2) * 4 * DESIGN.memory * (DESIGN.filters + DESIGN.memory)
    dense = (DESIGN.memory + NUMBERS) * DESIGN.units + DESIGN.units * HEAD.outputs
    return 3 * 2 * float(convolution + recurrence + dense)


def _device() -> str:
    if keras.backend.backend() == "jax":
        import jax

        return str(jax.devices()[0].device_kind)
    import tensorflow

    found = tensorflow.config.list_physical_devices("GPU")
    return str(tensorflow.config.experimental.get_device_details(found[0])["device_name"]) if found else "cpu"


def _floor(device: str, precision: str, flops: float) -> str:
    """Users per second if the device did only this arithmetic at its peak rate."""
    peaks = next((peak for name, peak in PEAK_TFLOPS.items() if name in device), (None, None))
    peak = peaks[precision != "float32"]
    return f"{peak * 1e12 / flops:,.0f}" if peak else "unknown"


if __name__ == "__main__":
    main()
