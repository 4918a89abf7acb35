"""Whether the service lives, whether it can answer, and its measures."""

from datetime import date
from typing import Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from serving.api.document import NO_KEY, OPTIONAL_KEY
from serving.api.errors import documented
from serving.api.schemas import AGE
from serving.api.security import requires
from serving.service.state import Service

api = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers."""

    status: str = "alive"


class Ready(BaseModel):
    """Whether scores can be answered; the rest only for callers who may read scores."""

    ready: bool
    release: str | None = Field(default=None, description="the active one; null: there is none")
    model_version: str | None = None
    baseline: str | None = Field(default=None, description="the baseline that scores; null: a model scores")
    snapshot_date: date | None = None
    age_seconds: float | None = Field(default=None, description=AGE)
    previous_release: str | None = Field(default=None, description="where a rollback goes back to")
    rolled_back: str | None = Field(default=None, description="the release that the last rollback replaced")
    engine: Literal["ready", "opening", "failed", "none"] | None = Field(
        default=None, description="stored scores are answered without an engine"
    )
    deploying: bool | None = None
    set_aside: int | None = Field(
        default=None, description="users not scored again until the next release: their rows ended the engine"
    )
    problem: str | None = Field(default=None, description="why no release, or no newer one, is active")


@api.get("/healthz", openapi_extra=NO_KEY)
async def alive() -> Alive:
    """The process answers; it need not have anything to answer with."""
    return Alive()


@api.get(
    "/readyz",
    responses={200: {"model": Ready}, 503: {"model": Ready, "description": "there is no release to answer from yet"}},
    openapi_extra=OPTIONAL_KEY,
)
async def ready(request: Request) -> Response:
    """Say whether scores can be answered, and to callers who may read scores from what."""
    service: Service = request.app.state.service
    current = service.current
    state = Ready(ready=current is not None)
    if request.app.state.guard.may(request, "read"):
        state = _state(service)
    body = state.model_dump_json(exclude_unset=True)
    return Response(body, 200 if state.ready else 503, media_type="application/json")


@api.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, **documented()})
async def metrics(request: Request, _: None = Depends(requires("read"))) -> Response:
    """What Prometheus reads."""
    service: Service = request.app.state.service
    return Response(service.metrics.page(service.about() if service.current else None), media_type="text/plain")


def _state(service: Service) -> Ready:
    current, engine = service.current, _engine(service)
    problem = service.problem
    if current is None:
        return Ready(ready=False, engine=engine, deploying=service.deploying.locked(), problem=problem)
    if engine == "failed":
        problem = problem or str(current.engine.exception())
    return Ready(
        ready=True,
        release=current.state.release,
        previous_release=current.state.previous_release,
        rolled_back=current.state.rolled_back,
        engine=engine,
        deploying=service.deploying.locked(),
        set_aside=len(service.aside),
        problem=problem,
        **service.about(),
    )


def _engine(service: Service) -> Literal["ready", "opening", "failed", "none"]:
    if service.current is None:
        return "none"
    opening = service.current.engine
    if not opening.done():
        return "opening"
    return "ready" if opening.exception() is None else "failed"
