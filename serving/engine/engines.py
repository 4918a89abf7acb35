"""Where the service gets releases and engines from."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from pipelines.settings import Settings
from serving.engine.process import EngineProcess, live_with_parent
from serving.release.release import prepare


@dataclass(frozen=True)
class Engines:
    """Where releases and engines come from; tests bring others.

    Attributes:
        prepare: writes the release of the champion into a folder, see `serving.release`.
        open: starts an engine on a release, see `serving.worker`.
    """

    prepare: Callable[[Settings, Path], Path]
    open: Callable[[Path], EngineProcess]


def prepare_apart(settings: Settings, root: Path) -> Path:
    """`release.prepare` in a process of its own, which gives back what it imported: MLflow, TensorFlow."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=live_with_parent) as pool:
        return pool.submit(prepare, settings, root).result()


REAL = Engines(prepare_apart, EngineProcess.open)
