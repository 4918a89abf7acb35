"""Administration endpoints: deploy and rollback, recorded in the audit log."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from pipelines.audit import record
from pipelines.errors import PurseError
from serving.api.errors import documented
from serving.api.security import requires
from serving.api.signed import signed_body
from serving.clock import wall
from serving.rows import UserId
from serving.service import deploy
from serving.service.state import Service

api = APIRouter(
    prefix="/v1/admin", tags=["administration"], dependencies=[Depends(requires("admin")), Depends(signed_body)]
)

STAYS = "the active release stays; the message says why"


class Deployed(BaseModel):
    """Result of a deploy."""

    deployed: bool = Field(description="false: the newest release was already active")
    release: str = Field(description="the active release")
    canary: dict[str, float] | None = Field(default=None, description="measurements of the canary test")
    warning: str | None = None


class RolledBack(BaseModel):
    """Result of a rollback."""

    rolled_back: bool = Field(description="false: the requested version was already active")
    release: str = Field(description="the active release")


class To(BaseModel):
    """Target of a rollback."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"model_version": "2"}})

    model_version: UserId | None = Field(
        default=None, description="the version to activate; null: the previous release"
    )


@api.post("/deploy", responses=documented(413, conflict=STAYS))
async def deploy_newest(request: Request) -> Deployed:
    """Activate the champion's newest scored snapshot, if it passes its canary test."""
    service: Service = request.app.state.service
    return Deployed(**await _audited(request, "deploy", deploy.deploy(service)))


@api.post("/rollback", responses=documented(413, conflict=STAYS))
async def roll_back(request: Request, to: To | None = None) -> RolledBack:
    """Activate the previous release, at once."""
    service: Service = request.app.state.service
    return RolledBack(**await _audited(request, "rollback", deploy.rollback(service, to.model_version if to else None)))


async def _audited(request: Request, action: str, work: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    service: Service = request.app.state.service
    who, outcome, reason, done = request.state.who, "failed", None, dict[str, Any]()
    try:
        done = await work
        outcome = "done"
    except PurseError as error:
        outcome, reason = "refused", str(error)
        raise
    finally:
        details = {"release": done.get("release"), "reason": reason}
        await asyncio.to_thread(record, service.folder, wall(), who, action, outcome, **details)
    return done
