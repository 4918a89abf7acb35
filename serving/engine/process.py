"""The engine in a process of its own: requests for stored scores never wait for a model's Python code."""

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
"""The engine of this process; None outside the engine process."""


class EngineStoppedError(PurseError):
    """The engine process died; open another one."""


class EngineKilledError(EngineStoppedError):
    """The engine process died while scoring: the scored rows may be the cause."""


class EngineProcess:
    """An `Engine` in a spawned process, which runs calls in order.

    Each call returns a `concurrent.futures.Future`; `await asyncio.wrap_future(...)` waits for it. The future raises
    the engine's exception, or `EngineStoppedError` if the process died.
    """

    release: Release

    def __init__(self) -> None:
        """Create a process without a release; use `open` instead."""
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=live_with_parent)

    @classmethod
    def open(cls, folder: Path, home: Path) -> Self:
        """Start the process and load a release in it that `home` sealed, which takes seconds.

        Raises:
            PurseError: the release cannot be read.
            EngineStoppedError: the process died while loading.
        """
        process = cls()
        try:
            process.release = process._submit(_open, folder, home).result()
        except BaseException:
            process.close()
            raise
        return process

    def score(
        self, rows: Mapping[str, pa.Table], snapshot_date: date, user_ids: Sequence[str]
    ) -> "Future[pd.DataFrame]":
        """See `Engine.score`."""
        return self._submit(_call, "score", dict(rows), snapshot_date, list(user_ids))

    def close_days(self, order_lines: pa.Table) -> Future[None]:
        """See `Engine.close_days`."""
        return self._submit(_call, "close_days", order_lines)

    def canary(self) -> Future[Canary]:
        """See `Engine.canary`."""
        return self._submit(_call, "canary")

    def close(self) -> None:
        """End the process after its pending calls."""
        self._pool.shutdown()

    def _submit(self, function: Callable[..., Result], *arguments: object) -> Future[Result]:
        """Submit a call to the process; the future raises EngineStoppedError if the process died."""
        outcome: Future[Result] = Future()
        outcome.set_running_or_notify_cancel()

        def forward(call: Future[Result]) -> None:
            error = call.exception()
            if isinstance(error, BrokenProcessPool):
                error = EngineStoppedError(
                    "The scoring process died (out of memory?). It is being restarted; stored scores are still served."
                )
            if error is not None:
                outcome.set_exception(error)
            else:
                outcome.set_result(call.result())

        try:
            self._pool.submit(function, *arguments).add_done_callback(forward)
        except BrokenProcessPool as error:
            failed: Future[Result] = Future()
            failed.set_exception(error)
            forward(failed)
        return outcome


def live_with_parent() -> None:
    """Initialise a pool's process: end it when the service ends, even if killed; leave Ctrl-C to the service."""
    parent = parent_process()
    if parent is None:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _open(folder: Path, home: Path) -> Release:
    global _engine  # noqa: PLW0603 - one engine per process, used by `_call`
    from serving.engine.engine import Engine

    _engine = Engine.open(folder, home)
    return _engine.release


def _call(method: str, *arguments: object) -> Any:  # noqa: ANN401 - the method's result
    if _engine is None:
        raise PurseError("The scoring process has not loaded a release yet: call EngineProcess.open first.")
    return getattr(_engine, method)(*arguments)
