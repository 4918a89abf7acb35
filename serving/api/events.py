"""What just happened: events and order lines, taken by the rules of the batch and durable before the answer."""

from typing import Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, create_model

from features.schema import EVENTS, ORDER_LINES, Table
from pipelines.settings import Settings
from serving.api.errors import documented
from serving.api.intake import checked, keep
from serving.api.schemas import Accepted
from serving.api.security import requires
from serving.rows import EXAMPLES, row_model
from serving.service.state import Service


def router(settings: Settings) -> APIRouter:
    """The endpoints that write."""
    api = APIRouter(prefix="/v1", tags=["events"], dependencies=[Depends(requires("write"))])
    answers: dict[int | str, dict[str, Any]] = {202: {"model": Accepted}, **documented(413)}
    events, order_lines = (
        _body(table, name, settings.serving.max_rows) for table, name in ((EVENTS, "Event"), (ORDER_LINES, "OrderLine"))
    )

    @api.post("/events", status_code=202, response_class=Response, responses=answers)
    async def add_events(request: Request, sent: events) -> Response:  # type: ignore[valid-type]  # made at run time
        """Take events, all or none; the users' next scores count them, and one that is known changes nothing."""
        return await _take(request, EVENTS, sent)

    @api.post("/orders", status_code=202, response_class=Response, responses=answers)
    async def add_orders(request: Request, sent: order_lines) -> Response:  # type: ignore[valid-type]
        """Take order lines, all or none; the users' next scores count them, and one that is known changes nothing."""
        return await _take(request, ORDER_LINES, sent)

    return api


def _body(table: Table, name: str, most: int) -> Any:  # noqa: ANN401  # a model made at run time
    """The model of a request with rows of a table."""
    rows: dict[str, Any] = {table.name: (list[row_model(table, name)], Field(min_length=1, max_length=most))}  # type: ignore[misc]
    example: dict[str, Any] = {"example": {table.name: [EXAMPLES[table.name]]}}
    config = ConfigDict(extra="forbid", json_schema_extra=example)
    return create_model(f"{name}s", __config__=config, __doc__="What just happened.", **rows)


async def _take(request: Request, table: Table, sent: BaseModel) -> Response:
    service: Service = request.app.state.service
    first = service.required().release.snapshot_date
    rows = await checked(service, table, sent.model_dump()[table.name], first)
    new = await keep(service, table, rows)
    answer = {**service.about(), "accepted": new, "duplicates": len(rows) - new}
    return Response(orjson.dumps(answer), 202, media_type="application/json")
