"""The GPU benchmark runs through without a GPU, on a tiny case."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed: pip install 'purse[jax]'")
def test_without_a_gpu_it_says_so_and_fills_the_table():
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "gpu_training.py"],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "No GPU here: a tiny case on the CPU" in done.stdout
    rows = [line.split("|")[2].strip() for line in done.stdout.splitlines() if line.startswith("| 64 |")]
    assert rows == [
        "`fit`, arrays on the host",
        "loop on the device",
        "loop on the device, unrolled",
        "loop on the device, unrolled, 16-bit",
    ]
