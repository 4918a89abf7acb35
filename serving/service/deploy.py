"""Put a release into force beside the one that answers, and go back: the old one goes on until the new one stands."""

import asyncio
import logging
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipelines.errors import PurseError
from serving.engine.process import EngineProcess
from serving.release.canary import Canary
from serving.release.release import Release, remove_others
from serving.service.state import Current, Service
from serving.stored_scores import release_scores
from serving.stores.protocol import ActiveState

log = logging.getLogger(__name__)


class ConflictError(PurseError):
    """What is in force stays: another deploy is at work, or what was asked for is not fit or not there."""


async def deploy(service: Service) -> dict[str, Any]:
    """Prepare the champion's newest release, try it on its canary, and put it into force if it passes.

    Returns:
        `deployed` (false: it is in force already), release, and what its canary measured.

    Raises:
        ConflictError: another deploy or rollback is at work, or the canary failed.
        PurseError: there is no release to be had, with the reason.
    """
    async with _alone(service):
        try:
            folder = await asyncio.to_thread(service.engines.prepare, service.settings, service.incoming)
            return await _introduce(service, folder)
        except PurseError as error:
            service.metrics.refused.inc()
            service.problem = f"The newest release did not go into force: {error}"
            raise
        finally:
            shutil.rmtree(service.incoming, ignore_errors=True)


async def rollback(service: Service, model_version: str | None) -> dict[str, Any]:
    """Answer with the release before at once; its engine opens meanwhile.

    Args:
        service: the service.
        model_version: the version that has to be in force afterwards; None: whichever is before.

    Raises:
        ConflictError: there is no release to go back to, or it is of another version.
    """
    async with _alone(service):
        current = service.required()
        before = current.state.previous_release
        if model_version == current.release.model_version:
            return {"rolled_back": False, "release": current.state.release}
        if before is None or current.state.previous_generation is None or not (service.releases / before).is_dir():
            raise ConflictError(
                f"There is no release before {current.state.release} to go back to. Run score_daily, which scores with "
                "the champion and deploys it."
            )
        version = Release.read(service.releases / before).model_version
        if model_version not in (None, version):
            raise ConflictError(
                f"The release before, {before}, is of version {version} and not of {model_version}. Run score_daily, "
                f"which scores with the champion and deploys it; {current.state.release} answers until then."
            )
        state = ActiveState(current.state.previous_generation, before, rolled_back=current.state.release)
        await _switch(service, state, service.opening(before))
        return {"rolled_back": True, "release": before}


def _alone(service: Service) -> asyncio.Lock:
    if service.deploying.locked():
        raise ConflictError("Another deploy or rollback is at work: wait for it to end, then try again.")
    return service.deploying


async def _introduce(service: Service, folder: Path) -> dict[str, Any]:
    """Try a release and put it into force; what it is made of stays in the folder until then."""
    release, current = Release.read(folder), service.current
    if current and current.stands and (current.state.release, current.release) == (folder.name, release):
        service.problem = None
        return {"deployed": False, "release": folder.name}
    engine = await asyncio.to_thread(service.engines.open, folder, service.settings.home_path)
    try:
        canary = await _tried(service, engine, folder.name)
        generation = await service.store.begin()
        scores = release_scores(folder, release)
        while part := await asyncio.to_thread(next, scores, None):
            await service.store.load(generation, part)
        service.releases.mkdir(exist_ok=True)
        shutil.rmtree(service.releases / folder.name, ignore_errors=True)
        folder.rename(service.releases / folder.name)
        await _switch(service, _after(current.state if current else None, generation, folder.name), _done(engine))
    except BaseException:
        await asyncio.to_thread(engine.close)
        raise
    if warning := canary.warning():
        log.warning("%s: %s", folder.name, warning)
    return {"deployed": True, "release": folder.name, "canary": asdict(canary), "warning": warning}


async def _tried(service: Service, engine: EngineProcess, name: str) -> Canary:
    canary = await asyncio.wrap_future(engine.canary())
    if reason := canary.reason(service.settings.serving.canary_milliseconds):
        raise ConflictError(f"The release {name} is refused: {reason}")
    return canary


def _after(state: ActiveState | None, generation: int, name: str) -> ActiveState:
    """The state with a new generation in force; of a release that is only written anew the one before stays."""
    if state is None:
        return ActiveState(generation, name)
    if state.release == name:
        return ActiveState(generation, name, state.previous_generation, state.previous_release)
    return ActiveState(generation, name, state.generation, state.release)


async def _switch(service: Service, state: ActiveState, engine: "asyncio.Future[EngineProcess]") -> None:
    """The moment from which on the release answers; live rows are kept as long as a rollback may need them."""
    folders = [service.releases / name for name in (state.release, state.previous_release) if name]
    since = Release.read(folders[0]).snapshot_date
    oldest = min(Release.read(folder).snapshot_date for folder in folders)
    old = service.current
    await service.store.activate(state, since=since, drop_before=oldest)
    await service.read_aside()
    service.put_into_force(state, engine)
    service.background(_tidy(service, old, folders))


async def _tidy(service: Service, old: Current | None, kept: list[Path]) -> None:
    """Let go of what is out of force; whether that goes well changes nothing for the release in force."""
    if old is not None:
        await service.close_engine(old)
    await asyncio.to_thread(remove_others, service.releases, *kept)


def _done(engine: EngineProcess) -> "asyncio.Future[EngineProcess]":
    future: asyncio.Future[EngineProcess] = asyncio.get_running_loop().create_future()
    future.set_result(engine)
    return future
