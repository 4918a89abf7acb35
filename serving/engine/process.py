"""The engine in a process of its own: reading answers are never held up by a model's Python."""

import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import date
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import pyarrow as pa

from pipelines.errors import PurseError
from serving.release.canary import Canary
from serving.release.release import Release

if TYPE_CHECKING:
    import pandas as pd

    from serving.engine.engine import Engine

Result = TypeVar("Result")

_engine: "Engine | None" = None
"""In the process of the engine: the engine."""


class EngineStoppedError(PurseError):
    """The process of the engine ended by itself; open another one."""


class EngineKilledError(EngineStoppedError):
    """The process of an engine that had opened ended while it scored: the rows that it scored may be the cause."""


class EngineProcess:
    """An `Engine` in a spawned process; calls are done in their order.

    Each call gives a `concurrent.futures.Future`; `await asyncio.wrap_future(...)` waits for it. A future raises what
    the engine raised, or `EngineStoppedError` if its process is gone.
    """

    release: Release

    def __init__(self) -> None:
        """A process without a release; see `open`."""
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=live_with_parent)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Start the process and read a release in it; returns when it is ready, after seconds.

        Raises:
            PurseError: the release cannot be read.
            EngineStoppedError: the process died of it.
        """
        process = cls()
        try:
            process.release = process._asked(_open, folder).result()
        except BaseException:
            process.close()
            raise
        return process

    def score(
        self, rows: Mapping[str, pa.Table], snapshot_date: date, user_ids: Sequence[str]
    ) -> "Future[pd.DataFrame]":
        """See `Engine.score`."""
        return self._asked(_call, "score", dict(rows), snapshot_date, list(user_ids))

    def close_days(self, order_lines: pa.Table) -> Future[None]:
        """See `Engine.close_days`."""
        return self._asked(_call, "close_days", order_lines)

    def canary(self) -> Future[Canary]:
        """See `Engine.canary`."""
        return self._asked(_call, "canary")

    def close(self) -> None:
        """End the process; what it was asked before is answered first."""
        self._pool.shutdown()

    def _asked(self, function: Callable[..., Result], *arguments: object) -> Future[Result]:
        """A call in the process, whose death is told in words of this module."""
        told: Future[Result] = Future()
        told.set_running_or_notify_cancel()

        def tell(done: Future[Result]) -> None:
            error = done.exception()
            if isinstance(error, BrokenProcessPool):
                error = EngineStoppedError(
                    "The process that scores ended by itself, perhaps for want of memory. It is to be opened again; "
                    "scores that are stored are answered meanwhile."
                )
            if error is not None:
                told.set_exception(error)
            else:
                told.set_result(done.result())

        try:
            self._pool.submit(function, *arguments).add_done_callback(tell)
        except BrokenProcessPool as error:
            done: Future[Result] = Future()
            done.set_exception(error)
            tell(done)
        return told


def live_with_parent() -> None:
    """In a process of a pool: end when the service does, however it ends; Ctrl-C is the service's to hear."""
    parent = parent_process()
    if parent is None:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _open(folder: Path) -> Release:
    global _engine  # noqa: PLW0603 - the process has one engine, which calls find here
    from serving.engine.engine import Engine

    _engine = Engine.open(folder)
    return _engine.release


def _call(method: str, *arguments: object) -> Any:  # noqa: ANN401 - what the method gives
    if _engine is None:
        raise PurseError("The process that scores has no release yet: open one first.")
    return getattr(_engine, method)(*arguments)
