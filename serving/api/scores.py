"""Endpoints that read scores: one user, many users, a user from posted rows, explanations, and tiers."""

from collections import Counter
from datetime import date, datetime, time
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import orjson
from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from features.schema import EVENTS, ORDER_LINES, TABLES, USERS
from pipelines.settings import Settings
from serving.api.errors import RefusedError, documented
from serving.api.intake import validated
from serving.api.schemas import Explanation, Score, Scores, Tiers
from serving.api.security import requires
from serving.clock import wall
from serving.rows import LONGEST_TEXT, UserId, as_arrow, row_model, storable
from serving.service.state import Current, Service
from serving.stored_scores import live_scores, scores_json, with_age
from serving.stores.protocol import StoredScore

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

JSON = "application/json"
MOST_COMPUTED = 16
"""Maximum number of requests that wait for a score of the engine, which computes one after the other."""

InPath = Annotated[
    str,
    Path(min_length=1, max_length=LONGEST_TEXT, description="the shop's user id", examples=["00001069"]),
    AfterValidator(storable),
]
Profile = row_model(USERS, "Profile", "user_id", "valid_from")
NeverSeenLine = row_model(ORDER_LINES, "OrderLineOfOne", "user_id")
NeverSeenEvent = row_model(EVENTS, "EventOfOne", "user_id")


def router(settings: Settings) -> APIRouter:
    """Build the endpoints that read scores."""
    api = APIRouter(prefix="/v1", tags=["scores"], dependencies=[Depends(requires("read"))])
    limits = settings.serving

    class Ids(BaseModel):
        """Users whose scores are requested."""

        model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"user_ids": ["00001069", "00001113"]}})

        user_ids: list[UserId] = Field(min_length=1, max_length=limits.max_ids)

    class NeverSeen(BaseModel):
        """Data of a user who is not in the shop's data, or not yet."""

        model_config = ConfigDict(extra="forbid")

        profile: Profile | None = None  # type: ignore[valid-type]  # made at run time
        order_lines: list[NeverSeenLine] = Field(default=[], max_length=limits.max_rows)  # type: ignore[valid-type]
        events: list[NeverSeenEvent] = Field(default=[], max_length=limits.max_rows)  # type: ignore[valid-type]

    @api.get("/users/{user_id:path}/score", responses={200: {"model": Score}, **documented(404)})
    async def score(
        request: Request,
        user_id: InPath,
        cold_start: Annotated[bool, Query(description="score an unknown user as a user without history")] = False,
    ) -> Response:
        """Get a user's score, newest events included."""
        service: Service = request.app.state.service
        user_id = service.validator.in_form(user_id)
        stored = await service.store.score(user_id)
        if stored is None or service.current is None:
            stored = await _of_unknown(service, user_id, cold_start=cold_start)
        return Response(with_age(stored, service.clock.seconds()), media_type=JSON)

    @api.post("/scores", responses={200: {"model": Scores}, **documented(413)})
    async def scores(request: Request, requested: Ids) -> Response:
        """Get the scores of many users, all of one release; ids without a score are listed in `unknown`."""
        service: Service = request.app.state.service
        about = service.about()
        in_form = {user_id: service.validator.in_form(user_id) for user_id in requested.user_ids}
        user_ids = list(dict.fromkeys(in_form.values()))
        stored = await service.store.scores(user_ids)
        known = [stored[user_id] for user_id in user_ids if user_id in stored]
        unknown = [user_id for user_id, formed in in_form.items() if formed not in stored]
        return Response(scores_json(about, known, unknown, service.clock.seconds()), media_type=JSON)

    @api.post("/score", responses={200: {"model": Score}, **documented(404, 413)})
    async def score_of_rows(request: Request, posted: Annotated[NeverSeen, Body(openapi_examples=EXAMPLE)]) -> Response:
        """Score a user who is not in the shop's data, from the posted rows; nothing is stored."""
        service: Service = request.app.state.service
        nobody = str(uuid4())  # an id without stored rows
        given = posted.model_dump()
        rows = {
            table.name: await validated(service, table, [{**row, "user_id": nobody} for row in given[table.name]], None)
            for table in (ORDER_LINES, EVENTS)
        }
        profile = given["profile"] if given["profile"] is not None or any(rows.values()) else {}
        computed = await _computed(service, nobody, rows, profile)
        if computed is None:
            raise RefusedError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "The active model cannot score these rows: send at least one order line, or deploy a champion trained "
                "by a version of Purse that also scores users without orders.",
            )
        answer = orjson.loads(with_age(computed, service.clock.seconds())) | {"user_id": ""}
        return Response(orjson.dumps(answer), media_type=JSON)

    @api.get("/users/{user_id:path}/explanation", responses={200: {"model": Explanation}, **documented(404)})
    async def explanation(request: Request, user_id: InPath) -> Response:
        """Get a user's score with its reasons and the number of the user's live rows."""
        service: Service = request.app.state.service
        user_id = service.validator.in_form(user_id)
        current, stored = service.required(), await service.store.score(user_id)
        if stored is None:
            stored = await _of_unknown(service, user_id, cold_start=False)
        rows = await service.store.rows(current.release.snapshot_date, [user_id])
        answer = orjson.loads(with_age(stored, service.clock.seconds()))
        return Response(orjson.dumps({**answer, "happened_since": Counter(row.table for row in rows)}), media_type=JSON)

    @api.get("/tiers", responses={200: {"model": Tiers}, **documented()})
    async def tiers(request: Request) -> Response:
        """Get the tiers of the last batch: their users, share of expected spend, and lowest score."""
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
    """Compute the cold-start score if requested; otherwise raise a 404."""
    release = service.required().state.release
    if cold_start and (computed := await _computed(service, user_id, {}, {})):
        return computed
    raise RefusedError(
        HTTPStatus.NOT_FOUND,
        f"Release {release} has no score of this user. Add ?cold_start=true for the score of a user without history, "
        "send the user's rows to POST /v1/score, or, for a new user, send events and orders to POST /v1/events and "
        "/v1/orders.",
    )


async def _computed(
    service: Service, user_id: str, rows: dict[str, list[dict[str, Any]]], profile: dict[str, Any] | None
) -> StoredScore | None:
    """Score a user from rows and an optional profile; None: the model cannot score this user."""
    current, tomorrow, now = service.required(), service.clock.tomorrow(), service.clock.seconds()
    tables = {name: as_arrow(TABLES[name], given) for name, given in rows.items() if given}
    if profile is not None:
        valid_from = datetime.combine(current.release.snapshot_date, time())
        tables[USERS.name] = as_arrow(USERS, [{**profile, "user_id": user_id, "valid_from": valid_from}])
    try:
        frame = await _asked(service, current, user_id, tables, tomorrow)
    except RefusedError:
        raise
    except Exception:
        if service.current is None or service.current.state == current.state:
            raise  # these rows killed the engine, or it cannot score them
        return await _computed(service, user_id, rows, profile)  # a release was activated meanwhile
    return live_scores(frame, current.release, tomorrow, now, wall()).get(user_id)


async def _asked(
    service: Service, current: Current, user_id: str, tables: dict[str, "pa.Table"], tomorrow: date
) -> "pd.DataFrame":
    """Ask the engine for a user's score.

    Raises:
        RefusedError: `MOST_COMPUTED` requests wait for the engine already.
    """
    if service.computing >= MOST_COMPUTED:
        raise RefusedError(
            HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_COMPUTED} scores are being computed. Try again in a second."
        )
    service.computing += 1
    try:
        return await service.ask(current, [user_id], tables, tomorrow)
    finally:
        service.computing -= 1
