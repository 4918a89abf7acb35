"""Noise of libraries while they load is held back, and nothing else."""

import os
import subprocess
import sys

import pytest

from models.networks.quiet import without_noise
from pipelines.environment import QUIET

NOISE = b"""WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1.9 1 cudart_stub.cc:31] Could not find cuda drivers on your machine, GPU will not be used.
"""


def test_only_noise_is_held_back(capfd):
    with without_noise():
        os.write(2, NOISE + b"E0000 out of memory\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "E0000 out of memory\nafter\n"


def test_what_was_written_before_an_error_is_shown(capfd):
    def broken():
        with without_noise():
            os.write(2, b"the reason\n" + NOISE)
            raise ImportError("no backend")

    with pytest.raises(ImportError, match="no backend"):
        broken()
    assert capfd.readouterr().err == "the reason\n"


@pytest.mark.long
def test_tensorflow_loads_without_a_word():
    program = "from models.networks.quiet import load_keras; load_keras(); import keras; keras.ops.ones(1)"
    environment = os.environ | QUIET | {"KERAS_BACKEND": "tensorflow"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
