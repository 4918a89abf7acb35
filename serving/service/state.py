"""The service behind the endpoints: what is in force, and how it starts and ends."""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import duckdb

from features.schema import ORDER_LINES, TABLES
from pipelines.errors import PurseError
from pipelines.files import locked, secret
from pipelines.live.keys import Keys
from pipelines.settings import Settings
from serving.clock import Clock, in_seconds, wall
from serving.engine.engines import REAL, Engines
from serving.engine.process import EngineKilledError, EngineProcess, EngineStoppedError
from serving.metrics import Metrics
from serving.release.release import Release
from serving.rows import EXAMPLES, RowValidator, from_store, row_model
from serving.stored_scores import release_tiers
from serving.stores.open import open_store
from serving.stores.protocol import ActiveState, SetAside

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Current:
    """What is in force, replaced as a whole.

    Attributes:
        state: the store's generation.
        release: its model and snapshot.
        tiers: of its scores, see `serving.answers.Tier`.
        engine: on the release; a future, because after a rollback scores are answered before it has opened.
    """

    state: ActiveState
    release: Release
    tiers: list[dict[str, Any]]
    engine: "asyncio.Future[EngineProcess]"

    @property
    def stands(self) -> bool:
        """Whether the engine has opened, or still may."""
        return not self.engine.done() or self.engine.exception() is None


class Service:
    """Everything that the endpoints share.

    Attributes:
        current: what is in force; None: there was no release yet.
        problem: why there is none, or why a newer one is not in force; None: nothing is wrong.
        deploying: held while a deploy or a rollback is at work.
        days_changed: whether the engine has to be told again what was sold on days that are over.
        arrived: set when rows have arrived.
        computing: requests that wait for the engine.
        aside: users whose rows ended the engine's process; they keep the score before until the next release.
        loop: in which the service works, from its start on.
        log_key: key of the pseudonyms in the access log, from its start on.
    """

    def __init__(self, settings: Settings, engines: Engines = REAL) -> None:
        self.settings, self.engines = settings, engines
        self.folder = settings.serving_folder
        self.releases, self.incoming = self.folder / "releases", self.folder / "incoming"
        self.store = open_store(settings.serving.store, self.folder)
        self.clock = Clock(settings, lambda: self.current.release.snapshot_date if self.current else None)
        self.validator = RowValidator(settings)
        self.keys = Keys(self.folder)
        self.metrics = Metrics()
        self.metrics.expiring.set_function(lambda: len([1 for key in self.keys.all() if key.warning(wall())]))
        self.current: Current | None = None
        self.problem: str | None = None
        self.deploying = asyncio.Lock()
        self.days_changed = True
        self.arrived = asyncio.Event()
        self.computing = 0
        self.aside: list[SetAside] = []
        self._lock = contextlib.ExitStack()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open the store and answer from the release that was in force before; its engine opens meanwhile.

        Raises:
            PurseError: another service runs in this home, or the store does not answer.
        """
        self.loop = asyncio.get_running_loop()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self.log_key = secret(self.folder / "log_key")  # now: on a full disk a request could not store it
        self._lock.enter_context(
            locked(  # two would answer from one store with different engines
                self.folder / "lock",
                f"Another service runs in {self.folder}. Stop it with 'purse down', or where it was started by hand.",
            )
        )
        # what a killed deploy left: this process holds the lock, so nobody else writes there
        await asyncio.to_thread(shutil.rmtree, self.incoming, ignore_errors=True)
        for key in self.keys.retire_own_key(wall()):
            log.warning("The key %s of the steps was revoked: steps sign their requests now.", key.key_id)
        await self.store.open()
        await self.read_aside()
        await asyncio.to_thread(_warm_up, self.validator)
        state = self.store.active
        if state is None:
            return
        try:
            self.put_into_force(state, self.opening(state.release))
        except (OSError, ValueError, duckdb.Error) as error:
            self.problem = f"The release {state.release} cannot be read: {error}"
            log.warning("%s", self.problem)

    async def close(self) -> None:
        """End the engine and let go of the store."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.current is not None:
            await self.close_engine(self.current)
        await self.store.close()
        self._lock.close()

    def opening(self, release: str) -> "asyncio.Future[EngineProcess]":
        """An engine on a release of this home, which opens in a thread."""
        return asyncio.ensure_future(
            asyncio.to_thread(self.engines.open, self.releases / release, self.settings.home_path)
        )

    def put_into_force(self, state: ActiveState, engine: "asyncio.Future[EngineProcess]") -> None:
        """Answer from a generation that the store has in force already."""
        folder = self.releases / state.release
        self.current = Current(state, Release.read(folder), release_tiers(folder), engine)
        self.days_changed = True
        self.problem = None
        self.arrived.set()

    async def close_engine(self, of: Current) -> None:
        """End an engine; what it was asked is answered first."""
        with contextlib.suppress(Exception):  # one that never opened has nothing to end
            await asyncio.to_thread((await of.engine).close)

    async def ask(
        self, of: Current, user_ids: Sequence[str], rows: "dict[str, pa.Table]", snapshot_date: date
    ) -> "pd.DataFrame":
        """What an engine says, see `Engine.score`; the release that it is on may be out of force by now.

        Raises:
            EngineKilledError: the engine's process died while it scored; another one is opened for the next call.
            EngineStoppedError: it died while it opened; likewise.
            PurseError: the release could not be opened.
        """
        try:
            engine = await asyncio.shield(of.engine)
        except EngineStoppedError:
            self._reopen(of)
            raise
        try:
            return await asyncio.wrap_future(engine.score(rows, snapshot_date, user_ids))
        except EngineStoppedError as error:
            self._reopen(of)
            raise EngineKilledError(str(error)) from error

    def _reopen(self, of: Current) -> None:
        """Open another engine on a release whose engine died, if it still answers."""
        if self.current is of:
            self.put_into_force(of.state, self.opening(of.state.release))

    async def set_aside(self, user: SetAside) -> None:
        """Score a user no more until the next release; the other users go on."""
        await self.store.set_aside(user)
        await self.read_aside()

    async def read_aside(self) -> None:
        """Read who is set aside, for measures and pages."""
        self.aside = await self.store.aside()
        self.metrics.aside.set(len(self.aside))

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something go on beside; it is kept until it ends."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def tell_closed_days(self) -> None:
        """Tell the engine what was sold on live days that are over, and let whoever has live rows be scored again."""
        current, today = self.required(), self.clock.today()
        first = current.release.snapshot_date
        self.days_changed = False
        rows = [row for row in await self.store.rows(first) if row.table == ORDER_LINES.name and row.day < today]
        try:
            engine = await asyncio.shield(current.engine)
            sold = await asyncio.to_thread(from_store, rows)  # of all users: requests would wait for it
            await asyncio.wrap_future(engine.close_days(sold[ORDER_LINES.name]))
        except BaseException:
            self.days_changed = True
            raise
        if rows:
            await self.store.requeue_since(first)

    def required(self) -> Current:
        """What is in force.

        Raises:
            NoReleaseError: nothing is.
        """
        if self.current is None:
            raise NoReleaseError(
                (self.problem or "There is no release of a champion with scores yet.")
                + " Run score_daily (before the first champion: retrain_daily), or 'purse score' and 'purse deploy'."
            )
        return self.current

    def about(self, known_until: float | None = None) -> dict[str, Any]:
        """What every answer names: model version, snapshot and its age, see `schemas.Dated`."""
        release = self.required().release
        since = in_seconds(release.snapshot_date) if known_until is None else known_until
        return {
            "model_version": release.model_version,
            "baseline": release.baseline,
            "snapshot_date": release.snapshot_date,
            "age_seconds": round(max(0.0, self.clock.seconds() - since)),
        }


class NoReleaseError(PurseError):
    """The service has nothing to answer with yet."""


def _warm_up(validator: RowValidator) -> None:
    """Run the rules of the tables once, which a first request would wait for."""
    for name, example in EXAMPLES.items():
        validator.faults(TABLES[name], [row_model(TABLES[name], name)(**example).model_dump()])
