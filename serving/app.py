"""The service as an ASGI app."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import Depends, FastAPI
from pydantic import TypeAdapter

from pipelines.errors import PurseError
from pipelines.settings import Settings
from serving import dashboard
from serving.api import admin, events, health, scores
from serving.api.errors import add_handlers
from serving.api.middleware import LimitedBody, Observed
from serving.api.security import add_guard, requires
from serving.dashboard.values import UserScore
from serving.engine.engines import REAL, Engines
from serving.service import deploy, rescoring
from serving.service.state import Service
from serving.stored_scores import with_age

KILOBYTE = 1024
DESCRIPTION = """What each user of the shop will spend, how likely they are to buy, a score, a tier and the reasons:
of the last batch, with what has happened since. Every answer names the model version, the snapshot and its age; the
header `purse-release` names version and snapshot on faults too."""

log = logging.getLogger(__name__)


def create_app(settings: Settings, engines: Engines = REAL) -> FastAPI:
    """The app; it opens its store and its release when it starts.

    Args:
        settings: `serving`, and `services.host` as the address that it will listen on.
        engines: where releases and engines come from.

    Raises:
        PurseError: a setting does not fit.
    """
    service = Service(settings, engines)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        gc.collect()
        gc.freeze()  # what is there now stays: looking through it again would hold up requests for a tenth of a second
        working = [asyncio.create_task(rescoring.keep_scoring(service)), asyncio.create_task(_catch_up(service))]
        try:
            yield
        finally:
            for task in working:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await service.close()

    # The pages with which FastAPI shows OpenAPI load their scripts from other hosts: only the document is served.
    app = FastAPI(title="Purse", version="1", description=DESCRIPTION, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.service = service
    add_guard(app, settings)
    add_handlers(app)
    for router in (scores.router(settings), events.router(settings), admin.api, health.api):
        app.include_router(router)
    pages = dashboard.router(settings, partial(_newest_score, service), lambda: service.aside)
    app.include_router(pages, dependencies=[Depends(requires("read"))])
    app.add_middleware(LimitedBody, most=settings.serving.max_body_kilobytes * KILOBYTE)
    app.add_middleware(Observed, service=service)
    return app


def _newest_score(service: Service, user_id: str) -> UserScore | None:
    """The user's score as the API answers it, for pages, which are made in threads."""
    found = asyncio.run_coroutine_threadsafe(service.store.score(user_id), service.loop).result()
    return None if found is None else TypeAdapter(UserScore).validate_json(with_age(found, service.clock.seconds()))


async def _catch_up(service: Service) -> None:
    """Deploy what there is where nothing is in force yet, or what was can no longer be opened."""
    try:
        if service.current is not None:
            await asyncio.shield(service.current.engine)
            return
    except Exception as error:
        service.problem = f"The release in force has no engine: {error}"
        log.warning("%s", service.problem)
    try:
        await deploy.deploy(service)
    except PurseError as error:
        log.info("Nothing to put into force yet: %s", error)
    except Exception as error:
        service.problem = f"The newest release did not go into force: {type(error).__name__}; the log says why"
        log.exception("The newest release did not go into force")
