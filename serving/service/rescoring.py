"""The task in the background: users with new rows are scored again, a small batch at a time, and survive a crash."""

import asyncio
import logging
from datetime import date

from pipelines.errors import PurseError
from serving.clock import wall
from serving.engine.process import EngineKilledError
from serving.rows import from_store
from serving.service.state import Current, Service
from serving.stored_scores import live_scores
from serving.stores.protocol import SetAside, Waiting

POLL_SECONDS = 1.0
"""How often to look without being told: for a new day, and for what a failure left behind."""

LONGEST_PAUSE_SECONDS = 5.0

log = logging.getLogger(__name__)


async def keep_scoring(service: Service) -> None:
    """Score whoever waits, until cancelled; what fails is tried again after a pause that grows."""
    pause, day = POLL_SECONDS, service.clock.today()
    while True:
        try:
            busy = True
            while busy:
                day = _new_day(service, day)
                busy = service.current is not None and await _score_some(service)
            pause = POLL_SECONDS
        except PurseError as error:
            log.warning("Live scoring pauses for %.0f s: %s", pause, error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        except Exception:
            log.exception("Live scoring failed; it goes on in %.0f s", pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        try:
            await asyncio.wait_for(service.arrived.wait(), POLL_SECONDS)
        except TimeoutError:
            continue
        service.arrived.clear()


def _new_day(service: Service, day: date) -> date:
    today = service.clock.today()
    if today != day:
        service.days_changed = True
    return today


async def _score_some(service: Service) -> bool:
    """Score a batch of those who wait; whether there was one."""
    current = service.required()
    if service.days_changed:
        await service.tell_closed_days()
    waiting = await service.store.waiting(service.settings.serving.batch_users)
    if waiting:
        await _score(service, current, waiting)
    return bool(waiting)


async def _score(service: Service, current: Current, waiting: list[Waiting], *, alone: bool = False) -> None:
    """Score users and keep their scores; of a batch that fails, find the user at fault and go on without.

    Args:
        service: with the store and the engine.
        current: the release to score with.
        waiting: users of the batch.
        alone: whether the engine already died of this batch, which is a single user.
    """
    user_ids = [one.user_id for one in waiting]
    known_until = service.clock.seconds()
    tomorrow = service.clock.tomorrow()
    rows = from_store(await service.store.rows(current.release.snapshot_date, user_ids))
    try:
        frame = await service.ask(current, user_ids, rows, tomorrow)
    except EngineKilledError as error:
        await _after_death(service, current, waiting, error, alone)
        return
    except PurseError:
        raise
    except Exception:
        if service.current is not current:
            return  # a release came into force meanwhile; they wait for its engine
        if len(waiting) > 1:
            await _score_halves(service, current, waiting)
            return
        service.metrics.failed.inc()
        log.exception("A user could not be scored live; the score before stays until there are new rows")
        await service.store.save_scores(current.state.generation, {}, waiting)
        return
    scores = live_scores(frame, current.release, tomorrow, known_until, wall())
    await service.store.save_scores(current.state.generation, scores, waiting)
    service.metrics.scored.inc(len(scores))


async def _after_death(
    service: Service, current: Current, waiting: list[Waiting], error: EngineKilledError, alone: bool
) -> None:
    """Halve the batch that killed the engine; set a single user aside who killed it twice."""
    if len(waiting) > 1:
        log.warning("Scoring a batch of %d users killed the engine; the batch is halved. %s", len(waiting), error)
        await _score_halves(service, current, waiting)
        return
    again = _reopened(service, current)
    if again is None:
        return
    if not alone:  # another process may have taken the memory: once is no proof
        await _score(service, again, waiting, alone=True)
        return
    (user,) = waiting
    log.error("A user's rows ended the engine twice; the user is set aside until the next release. %s", error)
    await service.set_aside(SetAside(user.user_id, f"scoring this user ended the engine twice. {error}"))


async def _score_halves(service: Service, current: Current, waiting: list[Waiting]) -> None:
    middle = len(waiting) // 2
    for half in (waiting[:middle], waiting[middle:]):
        again = _reopened(service, current)
        if again is not None:
            await _score(service, again, half)


def _reopened(service: Service, current: Current) -> Current | None:
    """The same release, perhaps on another engine; None if another release answers by now."""
    return service.current if service.current and service.current.state == current.state else None
