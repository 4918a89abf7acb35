"""Fits that come out the same whatever the order of the rows."""

from typing import Any


def repeatable(seed: int, threads: int) -> dict[str, Any]:
    """LightGBM's parameters of every training here: the same trees from the same data, and nothing printed."""
    return {
        "max_bin": 63,
        "num_threads": threads,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
