"""LightGBM parameters that make fits repeatable."""

from typing import Any


def repeatable(seed: int, threads: int) -> dict[str, Any]:
    """Parameters of every LightGBM training: the same data in the same order gives the same trees, without output.

    >>> repeatable(seed=0, threads=2)["deterministic"]
    True
    """
    return {
        "max_bin": 63,
        "num_threads": threads,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
