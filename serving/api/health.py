"""Whether the service lives, whether it can answer, and its measures."""

from typing import Any

import httpx
import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from pipelines.errors import PurseError
from serving.api.errors import documented
from serving.api.security import requires
from serving.service.state import Service

MLFLOW_SECONDS = 1.0
api = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers."""

    status: str = "alive"


class Ready(BaseModel):
    """Whether scores can be answered, and what is wrong if anything is."""

    ready: bool
    release: str | None = Field(description="what is in force; null: nothing is")
    model_version: str | None = None
    snapshot_date: str | None = None
    age_seconds: float | None = Field(default=None, description="of the snapshot, in the shop's time")
    previous_release: str | None = Field(default=None, description="what a rollback goes back to")
    rolled_back: str | None = Field(default=None, description="what the last rollback took out of force")
    engine: str = Field(description="ready, opening, none, or why there is none; stored scores are answered without")
    deploying: bool
    problem: str | None = Field(description="why nothing, or nothing newer, is in force; null: all is well")
    mlflow: str = Field(description="reachable, or why not; the service goes on without")


@api.get("/healthz")
async def alive() -> Alive:
    """The process answers; it need not have anything to answer with."""
    return Alive()


@api.get("/readyz", responses={503: {"model": Ready, "description": "there is nothing to answer with yet"}})
async def ready(request: Request) -> Response:
    """What is in force, and whether the engine and MLflow are there."""
    service: Service = request.app.state.service
    current = service.current
    state: dict[str, Any] = {"ready": current is not None, "release": None}
    if current is not None:
        state |= {**service.about(), "release": current.state.release}
        state |= {"previous_release": current.state.previous_release, "rolled_back": current.state.rolled_back}
    state |= {
        "engine": _engine(service),
        "deploying": service.deploying.locked(),
        "problem": service.problem,
        "mlflow": await _mlflow(service),
    }
    return Response(orjson.dumps(state), 200 if state["ready"] else 503, media_type="application/json")


@api.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, **documented()})
async def metrics(request: Request, _: None = Depends(requires("read"))) -> Response:
    """What Prometheus reads."""
    service: Service = request.app.state.service
    return Response(service.metrics.page(service.about() if service.current else None), media_type="text/plain")


def _engine(service: Service) -> str:
    if service.current is None:
        return "none"
    opening = service.current.engine
    if not opening.done():
        return "opening"
    error = opening.exception()
    return "ready" if error is None else str(error) if isinstance(error, PurseError) else type(error).__name__


async def _mlflow(service: Service) -> str:
    uri = service.settings.tracking_uri
    if not uri.startswith("http"):
        return "a database without a server"
    try:
        async with httpx.AsyncClient(timeout=MLFLOW_SECONDS, trust_env=False) as client:
            answer = await client.get(f"{uri.rstrip('/')}/health")
    except httpx.HTTPError as error:
        return f"does not answer: {type(error).__name__}"
    return "reachable" if answer.is_success else f"answers with status {answer.status_code}"
