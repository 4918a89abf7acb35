"""Endpoints that accept events and order lines: validated by the batch's rules, durable before the response."""

import asyncio
from typing import Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, create_model

from features.schema import EVENTS, ORDER_LINES, Table
from pipelines.settings import Settings
from serving.api.errors import documented
from serving.api.intake import store, validated
from serving.api.notes import notes
from serving.api.schemas import Accepted
from serving.api.security import requires
from serving.rows import EXAMPLES, row_model
from serving.service.state import Service

CONFLICT = "the key of a row is stored with other content, which stays; `faults` lists the rows, and none was stored"


def router(settings: Settings) -> APIRouter:
    """Build the endpoints that accept rows."""
    api = APIRouter(prefix="/v1", tags=["events"], dependencies=[Depends(requires("write"))])
    answers: dict[int | str, dict[str, Any]] = {202: {"model": Accepted}, **documented(413, conflict=CONFLICT)}
    events, order_lines = (
        _body(table, name, settings.serving.max_rows) for table, name in ((EVENTS, "Event"), (ORDER_LINES, "OrderLine"))
    )

    @api.post("/events", status_code=202, response_class=Response, responses=answers)
    async def add_events(request: Request, posted: events) -> Response:  # type: ignore[valid-type]  # made at run time
        """Add events, all or none, for the next scores. Repeated ones are ignored, contradicting ones refused."""
        return await _accept(request, EVENTS, posted)

    @api.post("/orders", status_code=202, response_class=Response, responses=answers)
    async def add_orders(request: Request, posted: order_lines) -> Response:  # type: ignore[valid-type]
        """Add order lines, all or none, for the next scores. Repeated ones are ignored, contradicting ones refused."""
        return await _accept(request, ORDER_LINES, posted)

    return api


def _body(table: Table, name: str, most: int) -> Any:  # noqa: ANN401  # a model made at run time
    """Build the request model for rows of a table."""
    rows: dict[str, Any] = {table.name: (list[row_model(table, name)], Field(min_length=1, max_length=most))}  # type: ignore[misc]
    example: dict[str, Any] = {"example": {table.name: [EXAMPLES[table.name]]}}
    config = ConfigDict(extra="forbid", json_schema_extra=example)
    return create_model(f"{name}s", __config__=config, __doc__=f"Rows of {table.name}.", **rows)


async def _accept(request: Request, table: Table, posted: BaseModel) -> Response:
    service: Service = request.app.state.service
    # the current day is accepted even if a batch counted it: it isn't over
    first = min(service.required().release.snapshot_date, service.clock.today())
    rows = await validated(service, table, posted.model_dump()[table.name], first)
    new = await store(service, table, rows, request.state.who)
    answer = {**service.about(), "accepted": new, "duplicates": len(rows) - new}
    answer["notes"] = await asyncio.to_thread(notes, service, table, rows)
    return Response(orjson.dumps(answer), 202, media_type="application/json")
