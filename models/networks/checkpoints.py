"""Checkpoints that a killed training resumes from: everything that the next epoch depends on, in one file."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras

Weights = list[NDArray[np.float32]]


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint of one training.

    Attributes:
        folder: where it is; None: nothing is written or resumed.
        identity: of what it belongs to, see `fingerprint`; what another training left in the folder is not used.
    """

    folder: Path | None
    identity: str

    def save(self, network: "keras.Model", history: list[dict[str, float]], best: Weights) -> None:
        """Write it so that a kill leaves the one before it or this one, and nothing between."""
        from keras import ops

        if self.folder is None:
            return
        state = {
            f"state_{number}": ops.convert_to_numpy(variable.value) for number, variable in enumerate(_state(network))
        }
        state |= {f"best_{number}": weights for number, weights in enumerate(best)}
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f"epoch.{os.getpid()}.tmp"
        with partial.open("wb") as file:
            np.savez(file, about=np.array(json.dumps({"identity": self.identity, "history": history})), **state)
        partial.replace(self.folder / "epoch.npz")

    def resume(self, network: "keras.Model") -> tuple[list[dict[str, float]], Weights]:
        """Put the network into the state that was saved, if there is one; history and best weights so far."""
        fresh: tuple[list[dict[str, float]], Weights] = ([], network.get_weights())
        if self.folder is None or not (self.folder / "epoch.npz").is_file():
            return fresh
        with np.load(self.folder / "epoch.npz") as arrays:
            about = json.loads(str(arrays["about"]))
            if about["identity"] != self.identity:
                return fresh
            for number, variable in enumerate(_state(network)):
                variable.assign(arrays[f"state_{number}"])
            return about["history"], [arrays[f"best_{number}"] for number in range(len(fresh[1]))]


def fingerprint(network: "keras.Model", settings: object, arrays: Iterable[NDArray[Any]]) -> str:
    """A hash of the architecture, of what `repr` says of the settings, and of the data."""
    digest = hashlib.sha256(network.to_json().encode())
    digest.update(repr(settings).encode())
    for values in arrays:
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _state(network: "keras.Model") -> list[Any]:
    """All that changes in training: weights, states of random generators, moments of the optimizer."""
    return [*network.variables, *network.optimizer.variables]
