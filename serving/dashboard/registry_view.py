"""What MLflow says of the model's versions, read beside the pages: a server that hangs keeps nobody waiting long."""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import TypeVar

from pipelines.errors import PurseError
from pipelines.settings import Settings
from pipelines.tracking.runs import connect
from serving.dashboard.findings import Findings, read_findings
from serving.dashboard.versions import Version, read_versions

FRESH_SECONDS = 15.0
"""How long an answer of MLflow is used before it is asked again."""

WAIT_SECONDS = 5.0
"""How long a page waits for MLflow; the first time its import is part of it."""

SHORT_SECONDS = 1.0
"""How long it waits where there is an earlier answer to show."""

PAUSE_SECONDS = 5.0
"""How long MLflow is not asked after it did not answer: a page after the other would wait for it."""

KEPT = 8
"""Versions whose findings are kept."""

T = TypeVar("T")


class RegistryView:
    """Reads versions and findings in one thread of its own, and keeps the last answer for when MLflow is away."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mlflow")
        self._lock = Lock()
        self._versions: tuple[float, tuple[Version, ...]] | None = None
        self._failed: tuple[float, PurseError] | None = None
        self._findings: OrderedDict[tuple[str, int], Findings] = OrderedDict()
        self._pending: dict[object, Future] = {}

    def warm(self) -> None:
        """Begin to import and ask MLflow, without waiting."""
        if self._versions is None:
            self._begin("versions", self._read_versions)

    def versions(self) -> tuple[tuple[Version, ...], str | None]:
        """All versions, newest first, and, if these are not fresh, why.

        Raises:
            PurseError: MLflow doesn't answer and never did.
        """
        kept = self._versions
        if kept and monotonic() - kept[0] < FRESH_SECONDS:
            return kept[1], None
        try:
            return self._ask(SHORT_SECONDS if kept else WAIT_SECONDS), None
        except PurseError as error:
            if kept is None:
                raise
            return kept[1], f"{error} What is shown is what MLflow last said."

    def findings(self, version: Version) -> Findings:
        """What was found out about a version.

        Raises:
            PurseError: MLflow doesn't answer.
        """
        key = (version.run_id, version.updated)
        found = self._findings.get(key)
        return found if found is not None else self._wait(key, lambda: self._read_findings(version), WAIT_SECONDS)

    def _ask(self, seconds: float) -> tuple[Version, ...]:
        failed = self._failed
        if failed and monotonic() - failed[0] < PAUSE_SECONDS:
            raise PurseError(str(failed[1]))
        return self._wait("versions", self._read_versions, seconds)

    def _begin(self, key: object, read: Callable[[], T]) -> "Future[T]":
        """Ask once for all who wait for the same."""
        with self._lock:
            future = self._pending.get(key)
            if future is None or future.done():
                future = self._pending[key] = self._thread.submit(read)
            return future

    def _wait(self, key: object, read: Callable[[], T], seconds: float) -> T:
        try:
            return self._begin(key, read).result(seconds)
        except FutureTimeout as error:
            raise PurseError(
                f"MLflow at {self._settings.tracking_uri} has not answered for {seconds:.0f} seconds. Look at "
                "'purse status' and 'purse logs mlflow', and load this page again."
            ) from error
        finally:
            with self._lock:
                self._pending = {name: one for name, one in self._pending.items() if not one.done()}

    def _read_versions(self) -> tuple[Version, ...]:
        uri = self._settings.tracking_uri
        if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
            return ()  # nothing was ever logged, and a page makes no databases
        try:
            found = read_versions(self._settings, connect(self._settings))
        except PurseError as error:
            self._failed = (monotonic(), error)
            raise
        self._versions, self._failed = (monotonic(), found), None
        return found

    def _read_findings(self, version: Version) -> Findings:
        client = connect(self._settings)
        found = read_findings(self._settings, client, version.run_id)
        self._findings[version.run_id, version.updated] = found
        while len(self._findings) > KEPT:
            self._findings.popitem(last=False)
        return found
