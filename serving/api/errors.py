"""What the service says when it cannot answer: one form for every fault, and never a stack trace."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from pipelines.errors import PurseError
from serving.rows import Fault
from serving.service.deploy import ConflictError

SHOWN_FAULTS = 100

log = logging.getLogger(__name__)


class RowFault(BaseModel):
    """What is wrong with a row that was sent."""

    row: int | None = Field(description="its place, from 0; null: it is not about a row")
    rule: str = Field(description="the rule that it breaks, named as in the batch's quarantine, or the field")
    message: str


class Problem(BaseModel):
    """Why there is no answer, and what to do."""

    error: str
    faults: list[RowFault] = Field(default=[], description=f"the first {SHOWN_FAULTS}")


class RefusedError(PurseError):
    """A request that cannot be served as it is."""

    def __init__(self, status: HTTPStatus, message: str, faults: list[Fault] | None = None) -> None:
        super().__init__(message)
        self.status, self.faults = status, faults or []


def problem(
    status: int, message: str, faults: list[RowFault] | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer for a fault."""
    body = Problem(error=message, faults=(faults or [])[:SHOWN_FAULTS]).model_dump_json()
    return Response(body, status, headers=headers, media_type="application/json")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The faults of an endpoint for its documentation; those of every endpoint are added."""
    told = {
        401: "a key is needed, or the one that was sent is not valid",
        403: "the key lacks the scope, or the request comes from another site's page",
        404: "nothing is known of this user; what to do about it",
        409: "what is in force stays, and why",
        413: "the body is too large",
        422: "the request does not fit, with the faults of its rows",
        429: "too many requests; Retry-After says when to come back",
        503: "there is nothing to answer with yet, or the store does not answer; what to do about it",
    }
    return {status: {"model": Problem, "description": told[status]} for status in (*statuses, 401, 403, 422, 429, 503)}


def add_handlers(app: FastAPI) -> None:
    """Let the app answer every fault with a Problem."""

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        faults = [_fault(one["loc"], str(one["msg"])) for one in error.errors()[:SHOWN_FAULTS]]
        first = faults[0]
        place = f"{first.rule}" + (f" of row {first.row}" if first.row is not None else "")
        hint = "See /openapi.json for what fits."
        if place == "body" and "json" not in request.headers.get("content-type", ""):
            hint = "Send JSON, with the header 'Content-Type: application/json'; see /openapi.json for what fits."
        return problem(422, f"{place}: {first.message}. {hint}", faults)

    @app.exception_handler(HTTPException)
    async def known(request: Request, error: HTTPException) -> Response:
        said = str(error.detail)
        if error.status_code == HTTPStatus.NOT_FOUND:
            said = "There is nothing at this address; see /openapi.json, or / for the dashboard."
        elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            said = f"This address does not take {request.method}; see /openapi.json."
        status = 422 if error.status_code == HTTPStatus.BAD_REQUEST else error.status_code  # a body that is no text
        return problem(status, said, headers=error.headers)

    @app.exception_handler(PurseError)
    async def told(request: Request, error: PurseError) -> Response:
        if isinstance(error, RefusedError):
            faults = [RowFault(row=one.row, rule=one.rule, message=one.message) for one in error.faults]
            headers = {"Retry-After": "1"} if error.status == HTTPStatus.TOO_MANY_REQUESTS else {}
            if error.status == HTTPStatus.UNAUTHORIZED:
                headers["WWW-Authenticate"] = 'Basic realm="Purse", Bearer'
            return problem(error.status, str(error), faults, headers)
        status = 409 if isinstance(error, ConflictError) or "/admin/" in request.url.path else 503
        return problem(status, str(error))

    @app.exception_handler(Exception)
    async def unknown(_: Request, __: Exception) -> Response:
        return problem(500, "The service failed; its log says why. Try again, and report it if it stays.")


def _fault(place: tuple[int | str, ...], message: str) -> RowFault:
    row = next((part for part in place if isinstance(part, int)), None)
    field = ".".join(part for part in place[1:] if isinstance(part, str)) or "body"
    return RowFault(row=row if place[0] == "body" and len(place) > 2 else None, rule=field, message=message)  # noqa: PLR2004
