"""Factories of releases and engines for the service."""

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
    """Factories of releases and engines; tests replace them.

    Attributes:
        prepare: writes the champion's release into a folder, see `serving.release.release.prepare`.
        open: starts an engine on a release of a home, see `serving.engine.process`.
    """

    prepare: Callable[[Settings, Path], Path]
    open: Callable[[Path, Path], EngineProcess]


def prepare_apart(settings: Settings, root: Path) -> Path:
    """Run `release.prepare` in a process of its own, which frees the memory of MLflow and TensorFlow when it ends."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=live_with_parent) as pool:
        return pool.submit(prepare, settings, root).result()


REAL = Engines(prepare_apart, EngineProcess.open)
