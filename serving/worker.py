"""The engine in a process of its own: reading answers are never held up by a model's Python."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from pipelines.errors import PurseError
from serving.canary import Canary
from serving.release import Release

if TYPE_CHECKING:
    import pandas as pd


class EngineStoppedError(PurseError):
    """The process of the engine ended by itself; open another one."""


class EngineProcess:
    """An `Engine` in a spawned process; calls are done in their order.

    Each call gives a `concurrent.futures.Future`; `await asyncio.wrap_future(...)` waits for it. A future raises what
    the engine raised, or `EngineStoppedError` if its process is gone.
    """

    release: Release

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Start the process and read a release in it; returns when it is ready.

        Raises:
            PurseError: the release cannot be read.
            EngineStoppedError: the process died of it.
        """
        raise NotImplementedError

    def score(
        self, rows: Mapping[str, pa.Table], snapshot_date: date, user_ids: Sequence[str]
    ) -> "Future[pd.DataFrame]":
        """See `Engine.score`."""
        raise NotImplementedError

    def close_days(self, order_lines: pa.Table) -> Future[None]:
        """See `Engine.close_days`."""
        raise NotImplementedError

    def canary(self) -> Future[Canary]:
        """See `Engine.canary`."""
        raise NotImplementedError

    def close(self) -> None:
        """End the process; a release that is being scored is scored to its end."""
        raise NotImplementedError
