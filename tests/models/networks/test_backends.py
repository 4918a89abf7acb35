"""The same batches give the same losses on TensorFlow and on JAX, and in Keras's loop and in the one on the device."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TRAIN = """
import json, sys
import keras, numpy as np
from models.networks.architectures import Design, build
from models.networks.heads import HEADS
from models.networks.training import Schedule, train

random = np.random.default_rng(0)
present = (np.arange(8) >= 8 - random.integers(1, 9, 96)[:, None])[..., None]
inputs = {
    "numbers": random.normal(size=(96, 3)).astype(np.float32),
    "categories": random.integers(0, 4, (96, 1)).astype(np.int32),
    "steps": np.concatenate([random.normal(size=(96, 8, 2)) * present, present], axis=2).astype(np.float32),
}
bought = random.random(96) < 0.5
targets = np.column_stack([bought, bought * random.lognormal(size=96)]).astype(np.float32)
schedule = Schedule(batch=32, epochs=3, patience=9, learning_rate=0.01, weight_decay=0.01, seed=0)
found = {}
for loop in sys.argv[1:]:
    for reader, head in (("rnn", "two_part"), ("cnn_lstm", "ziln")):
        design = Design(reader=reader, units=8, filters=8, memory=8, dropout=0.0)
        shapes = {name: values.shape[1:] for name, values in inputs.items()}
        network = build(design, shapes, [3], HEADS[head].outputs)
        start = np.random.default_rng(1)
        network.set_weights([start.normal(0, 0.3, weights.shape) for weights in network.get_weights()])
        history = train(network, HEADS[head], (inputs, targets), (inputs, targets), schedule, loop=loop)
        losses = [[epoch["loss"], epoch["validation_loss"], epoch["validation_ngini"]] for epoch in history]
        weights = np.concatenate([weights.ravel() for weights in network.get_weights()])
        found[f"{loop} {reader}"] = {"losses": losses, "weights": weights.tolist()}
print(json.dumps(found))
"""


def trained(backend: str, *loops: str) -> dict[str, dict[str, list]]:
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, *loops], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed: pip install 'purse[jax]'")
def test_tensorflow_and_jax_agree():
    expected, found = trained("tensorflow", "fit"), trained("jax", "fit", "device")
    assert len(found) == 2 * len(expected) == 4
    for name, one in found.items():
        other = expected[name.replace("device", "fit")]
        np.testing.assert_allclose(one["losses"], other["losses"], atol=1e-4)
        np.testing.assert_allclose(one["weights"], other["weights"], atol=1e-3)  # after nine steps
