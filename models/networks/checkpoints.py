"""Checkpoints to resume a killed training: everything that the next epoch depends on, in one file."""

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
    """Checkpoint of one training.

    Attributes:
        folder: folder of the file; None: write and resume nothing.
        identity: `fingerprint` of the training; a checkpoint of another training is ignored.
    """

    folder: Path | None
    identity: str

    def save(self, network: "keras.Model", history: list[dict[str, float]], best: Weights) -> None:
        """Write the checkpoint atomically: a kill leaves the previous one or this one."""
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
        """Restore the network's stored state, if any; return history and best weights so far."""
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
    """Hash the layers, the `repr` of the settings, and the data.

    Layer names are excluded: Keras numbers layers through the process, and a resumed process may have built others
    before.
    """
    layers = [(type(layer).__name__, {**layer.get_config(), "name": None}) for layer in network.layers]
    digest = hashlib.sha256(repr((layers, settings)).encode())
    for values in arrays:
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _state(network: "keras.Model") -> list[Any]:
    """All variables that training changes: weights, random generators and optimizer moments."""
    return [*network.variables, *network.optimizer.variables]
