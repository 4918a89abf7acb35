"""Scores: of one user, of many, of someone never seen, with what stands behind them, and the tiers."""

from collections import Counter
from datetime import datetime, time
from http import HTTPStatus
from typing import Annotated, Any
from uuid import uuid4

import orjson
from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from features.schema import EVENTS, ORDER_LINES, TABLES, USERS
from pipelines.settings import Settings
from serving.api.errors import RefusedError, documented
from serving.api.intake import checked
from serving.api.schemas import Explanation, Score, Scores, Tiers
from serving.api.security import requires
from serving.clock import wall
from serving.rows import LONGEST_TEXT, UserId, as_arrow, row_model, storable
from serving.service.state import Service
from serving.stored_scores import live_scores, many, with_age
from serving.stores.protocol import StoredScore

JSON = "application/json"
InPath = Annotated[
    str,
    Path(min_length=1, max_length=LONGEST_TEXT, description="the shop's id of the user", examples=["00001069"]),
    AfterValidator(storable),
]
Profile = row_model(USERS, "Profile", "user_id", "valid_from")
NeverSeenLine = row_model(ORDER_LINES, "OrderLineOfOne", "user_id")
NeverSeenEvent = row_model(EVENTS, "EventOfOne", "user_id")


def router(settings: Settings) -> APIRouter:
    """The endpoints that read."""
    api = APIRouter(prefix="/v1", tags=["scores"], dependencies=[Depends(requires("read"))])
    limits = settings.serving

    class Ids(BaseModel):
        """Whose scores are wanted."""

        model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"user_ids": ["00001069", "00001113"]}})

        user_ids: list[UserId] = Field(min_length=1, max_length=limits.max_ids)

    class NeverSeen(BaseModel):
        """What is known of a user whom the shop's data does not hold, or not yet."""

        model_config = ConfigDict(extra="forbid")

        profile: Profile | None = None  # type: ignore[valid-type]  # made at run time
        order_lines: list[NeverSeenLine] = Field(default=[], max_length=limits.max_rows)  # type: ignore[valid-type]
        events: list[NeverSeenEvent] = Field(default=[], max_length=limits.max_rows)  # type: ignore[valid-type]

    @api.get("/users/{user_id:path}/score", responses={200: {"model": Score}, **documented(404)})
    async def score(
        request: Request,
        user_id: InPath,
        cold_start: Annotated[bool, Query(description="score a user who is not known, as one without history")] = False,
    ) -> Response:
        """The user's score, newest events included."""
        service: Service = request.app.state.service
        found = await service.store.score(user_id)
        if found is None or service.current is None:
            found = await _of_unknown(service, user_id, cold_start=cold_start)
        return Response(with_age(found, service.clock.seconds()), media_type=JSON)

    @api.post("/scores", responses={200: {"model": Scores}, **documented(413)})
    async def scores(request: Request, wanted: Ids) -> Response:
        """The scores of many users, all of one release; users who are not known are listed."""
        service: Service = request.app.state.service
        about = service.about()
        user_ids = list(dict.fromkeys(wanted.user_ids))
        found = await service.store.scores(user_ids)
        known = [found[user_id] for user_id in user_ids if user_id in found]
        unknown = [user_id for user_id in user_ids if user_id not in found]
        return Response(many(about, known, unknown, service.clock.seconds()), media_type=JSON)

    @api.post("/score", responses={200: {"model": Score}, **documented(404, 413)})
    async def score_of_rows(request: Request, sent: Annotated[NeverSeen, Body(openapi_examples=EXAMPLE)]) -> Response:
        """The score of someone never seen, computed now from the rows that are sent; nothing of it is kept."""
        service: Service = request.app.state.service
        nobody = str(uuid4())  # an id that no row has
        given = sent.model_dump()
        rows = {
            table.name: await checked(service, table, [{**row, "user_id": nobody} for row in given[table.name]], None)
            for table in (ORDER_LINES, EVENTS)
        }
        profile = given["profile"] if given["profile"] is not None or any(rows.values()) else {}
        found = await _computed(service, nobody, rows, profile)
        if found is None:
            raise RefusedError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "The model in force has nothing to say of these rows: send an order line, or deploy a champion "
                "that was trained by a version of Purse that scores users without orders too.",
            )
        answer = orjson.loads(with_age(found, service.clock.seconds())) | {"user_id": ""}
        return Response(orjson.dumps(answer), media_type=JSON)

    @api.get("/users/{user_id:path}/explanation", responses={200: {"model": Explanation}, **documented(404)})
    async def explanation(request: Request, user_id: InPath) -> Response:
        """The score with its reasons, and how many live rows are in it."""
        service: Service = request.app.state.service
        current, found = service.required(), await service.store.score(user_id)
        if found is None:
            found = await _of_unknown(service, user_id, cold_start=False)
        rows = await service.store.rows(current.release.snapshot_date, [user_id])
        answer = orjson.loads(with_age(found, service.clock.seconds()))
        return Response(orjson.dumps({**answer, "happened_since": Counter(row.table for row in rows)}), media_type=JSON)

    @api.get("/tiers", responses={200: {"model": Tiers}, **documented()})
    async def tiers(request: Request) -> Response:
        """The tiers of the last batch: their users, their share of expected spend, and where they begin."""
        service: Service = request.app.state.service
        current = service.required()
        answer = {**service.about(), "horizon_days": current.release.horizon_days, "tiers": current.tiers}
        return Response(orjson.dumps(answer), media_type=JSON)

    return api


EXAMPLE: dict[str, Any] = {
    "someone who bought today": {
        "value": {
            "order_lines": [
                {
                    "order_id": "o-17",
                    "product_id": "4710265849066",
                    "line": 1,
                    "ordered_at": "2001-03-01T09:30:00",
                    "quantity": 2,
                    "unit_price": 49.5,
                    "amount": 99,
                }
            ]
        }
    }
}


async def _of_unknown(service: Service, user_id: str, *, cold_start: bool) -> StoredScore:
    """The cold-start score when it is asked for, or what to do."""
    release = service.required().state.release
    if cold_start and (found := await _computed(service, user_id, {}, {})):
        return found
    raise RefusedError(
        HTTPStatus.NOT_FOUND,
        f"Nothing is known of this user in release {release}. Ask with ?cold_start=true for the score of someone "
        "without history, send the user's rows to POST /v1/score, or, if the user is new, send what happens to "
        "POST /v1/events and /v1/orders.",
    )


async def _computed(
    service: Service, user_id: str, rows: dict[str, list[dict[str, Any]]], profile: dict[str, Any] | None
) -> StoredScore | None:
    """The engine's answer for a user with these rows, and, unless it is None, a profile; None: it has none."""
    current, tomorrow, now = service.required(), service.clock.tomorrow(), service.clock.seconds()
    tables = {name: as_arrow(TABLES[name], given) for name, given in rows.items() if given}
    if profile is not None:
        valid_from = datetime.combine(current.release.snapshot_date, time())
        tables[USERS.name] = as_arrow(USERS, [{**profile, "user_id": user_id, "valid_from": valid_from}])
    try:
        frame = await service.ask(current, [user_id], tables, tomorrow)
    except Exception:
        if service.current is None or service.current.state == current.state:
            raise  # these rows ended the engine, or it cannot score them
        return await _computed(service, user_id, rows, profile)  # a release came into force meanwhile
    return live_scores(frame, current.release, tomorrow, now, wall()).get(user_id)
