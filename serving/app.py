"""The service as an ASGI app."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from functools import partial

import orjson
from fastapi import Depends, FastAPI
from pydantic import TypeAdapter

from pipelines.errors import NothingToDo, PurseError, UnusableModel
from pipelines.settings import Settings
from serving import dashboard
from serving.api import admin, docs, events, health, scores
from serving.api.document import openapi
from serving.api.errors import add_handlers
from serving.api.middleware import HeadAsGet, LimitedBody, LimitedTime, Observed
from serving.api.security import add_guard, check_keys_first, requires
from serving.api.signed import SignedAnswers
from serving.dashboard.values import LiveRows, UserScore
from serving.engine.engines import REAL, Engines
from serving.service import deploy, rescoring
from serving.service.deploy import ConflictError
from serving.service.state import Service

KILOBYTE = 1024
DESCRIPTION = """Predictions for each user of the shop: expected spend, purchase probability, score, tier and reasons,
from the last batch and the rows sent since. Every response names the model version, the snapshot and its age; the
header `purse-release` names version and snapshot on errors too."""

PAUSES = (5.0, 10.0, 20.0, 40.0, 60.0, *(120.0,) * 14)
"""Seconds between the attempts to deploy at the start; half an hour in all."""

log = logging.getLogger(__name__)
USER_SCORE = TypeAdapter(UserScore)


def create_app(settings: Settings, engines: Engines = REAL) -> FastAPI:
    """Build the app; on startup it opens its store and its release.

    Args:
        settings: `serving`, and `services.host`, the address it will listen on.
        engines: factories of releases and engines.

    Raises:
        PurseError: a setting is invalid.
    """
    service = Service(settings, engines)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        gc.collect()
        gc.freeze()  # long-lived objects: collecting them again would delay requests by a tenth of a second
        tasks = [asyncio.create_task(rescoring.keep_scoring(service)), asyncio.create_task(_catch_up(service))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await service.close()

    # FastAPI's own pages load scripts from other hosts: `docs` has the files here
    app = FastAPI(
        title="Purse",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would lead to whatever the request named as its Host
    )
    app.state.service = service
    add_guard(app, settings)
    add_handlers(app)
    for router in (scores.router(settings), events.router(settings), admin.api, health.api, docs.api):
        app.include_router(router)
    pages = dashboard.router(
        settings, partial(_newest_score, service), lambda: service.aside, live_rows=partial(_live_rows, service)
    )
    app.include_router(pages, dependencies=[Depends(requires("read"))])
    check_keys_first(app)
    app.openapi = partial(openapi, app, keyless=not app.state.guard.always)  # type: ignore[method-assign]
    app.add_middleware(HeadAsGet)
    app.add_middleware(SignedAnswers)
    app.add_middleware(LimitedTime, seconds=settings.serving.read_seconds)
    app.add_middleware(LimitedBody, most=settings.serving.max_body_kilobytes * KILOBYTE)
    app.add_middleware(Observed, service=service)
    return app


def _newest_score(service: Service, user_id: str) -> UserScore | None:
    """Read a user's score as the API returns it; for pages, which are rendered in threads."""
    score = asyncio.run_coroutine_threadsafe(service.store.score(user_id), service.loop).result()
    return None if score is None else USER_SCORE.validate_json(score.body)


def _live_rows(service: Service, user_id: str, since: date) -> LiveRows:
    """Sum up what a user did from a day on; for pages, which are rendered in threads."""
    rows = asyncio.run_coroutine_threadsafe(service.store.rows(since, [user_id]), service.loop).result()
    lines = [orjson.loads(row.body) for row in rows if row.table == "order_lines"]
    return LiveRows(
        orders=len({line["order_id"] for line in lines}),
        amount=sum(line["amount"] for line in lines),
        events=sum(row.table == "events" for row in rows),
    )


async def _catch_up(service: Service) -> None:
    """Deploy the newest release if none is active, or if the active one cannot be opened."""
    try:
        if service.current is not None:
            await asyncio.shield(service.current.engine)
            return
    except Exception as error:
        service.problem = f"The active release could not be opened: {error}"
        log.warning("%s", service.problem)
    try:
        await _deploy_patiently(service)
    except PurseError as error:
        log.info("No release to activate yet: %s", error)
    except Exception as error:
        service.problem = f"The newest release was not activated: {type(error).__name__}; the log has the details"
        log.exception("The newest release was not activated")


async def _deploy_patiently(service: Service) -> None:
    """Deploy; while MLflow or another server does not answer, try again, so that the problem ends with its cause.

    Raises:
        PurseError: trying again doesn't help, or didn't.
    """
    for seconds in PAUSES:
        try:
            await deploy.deploy(service)
        except (NothingToDo, UnusableModel, ConflictError):
            raise
        except PurseError as error:
            log.info("No release to activate yet, trying again in %.0f seconds: %s", seconds, error)
            await asyncio.sleep(seconds)
            if service.current is not None and service.problem is None:
                return  # somebody else deployed meanwhile
        else:
            return
    await deploy.deploy(service)
