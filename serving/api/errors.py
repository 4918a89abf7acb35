"""Error responses: one JSON form for every error, without stack traces."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.errors import PurseError
from serving.rows import Fault
from serving.service.deploy import ConflictError

SHOWN_FAULTS = 100
LATER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
"""Statuses of refusals that end by themselves."""

log = logging.getLogger(__name__)


class RowFault(BaseModel):
    """A posted row that breaks a rule."""

    row: int | None = Field(description="index of the row, from 0; null: the error is not about a row")
    rule: str = Field(description="the broken rule, named as in the batch's quarantine, or the invalid field")
    message: str


class Problem(BaseModel):
    """An error, and how to resolve it."""

    error: str
    faults: list[RowFault] = Field(default=[], description=f"the first {SHOWN_FAULTS} faulty rows")


class RefusedError(PurseError):
    """A request that is refused with a status and a message."""

    def __init__(self, status: HTTPStatus, message: str, faults: list[Fault] | None = None) -> None:
        super().__init__(message)
        self.status, self.faults = status, faults or []


def problem(
    status: int, message: str, faults: list[RowFault] | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Build an error response."""
    body = Problem(error=message, faults=(faults or [])[:SHOWN_FAULTS]).model_dump_json()
    return Response(body, status, headers=headers, media_type="application/json")


def documented(*statuses: int, conflict: str | None = None) -> dict[int | str, dict[str, Any]]:
    """Error responses for an endpoint's documentation: the given statuses and those of every endpoint.

    Args:
        statuses: statuses that only some endpoints have.
        conflict: meaning of 409; None: this endpoint never answers it.
    """
    descriptions = {
        401: "a key is missing or not valid",
        403: "the key lacks the scope, or another site's page sent the request",
        404: "the user has no score; the message says what to do",
        409: conflict,
        413: "the body is too large",
        422: "the request is invalid; `faults` lists the faulty rows",
        429: "too many requests; Retry-After says when to try again",
        503: "no release is active yet, the store does not answer, or the service is overloaded (Retry-After)",
    }
    return {
        status: {"model": Problem, "description": descriptions[status]}
        for status in (*statuses, *([409] if conflict else []), 401, 403, 422, 429, 503)
    }


def add_handlers(app: FastAPI) -> None:
    """Make the app answer every error with a Problem."""

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        faults = [_fault(one["loc"], str(one["msg"])) for one in error.errors()[:SHOWN_FAULTS]]
        first = faults[0]
        place = f"{first.rule}" + (f" of row {first.row}" if first.row is not None else "")
        hint = "/openapi.json describes valid requests."
        if place == "body" and "json" not in request.headers.get("content-type", ""):
            hint = "Send JSON with the header 'Content-Type: application/json'; /openapi.json describes valid requests."
        return problem(422, f"{place}: {first.message}. {hint}", faults)

    @app.exception_handler(HTTPException)
    async def known(request: Request, error: HTTPException) -> Response:
        message = str(error.detail)
        if error.status_code == HTTPStatus.NOT_FOUND:
            message = "This address does not exist; see /openapi.json for the API, or / for the dashboard."
        elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            message = f"This address does not accept {request.method}; see /openapi.json."
        status = 422 if error.status_code == HTTPStatus.BAD_REQUEST else error.status_code  # a body that is not text
        return problem(status, message, headers=error.headers)

    @app.exception_handler(PurseError)
    async def refused(request: Request, error: PurseError) -> Response:
        if isinstance(error, RefusedError):
            faults = [RowFault(row=one.row, rule=one.rule, message=one.message) for one in error.faults]
            headers = {"Retry-After": "1"} if error.status in LATER else {}
            if error.status == HTTPStatus.UNAUTHORIZED:
                headers["WWW-Authenticate"] = 'Basic realm="Purse", Bearer'
            return problem(error.status, str(error), faults, headers)
        status = 409 if isinstance(error, ConflictError) or "/admin/" in request.scope["path"] else 503
        return problem(status, str(error))

    app.add_middleware(Caught)


class Sender:
    """Sends the messages of a response, and knows whether it has started."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        """Send one message."""
        self.started = True
        await self._send(message)


class Caught:
    """Answers a failure as a Problem and logs it; the connection stays usable.

    A handler for Exception would do it too, but Starlette raises the error again after its answer, and uvicorn then
    closes the connection under a client's next request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sender = Sender(send)
        try:
            await self.app(scope, receive, sender)
        except Exception:
            if sender.started:
                raise  # the answer is broken off, so the connection has to end
            log.exception("A request failed: %s %s", scope["method"], getattr(scope.get("route"), "path_format", ""))
            message = "Internal error; the service's log has the details. Try again, and report it if it persists."
            await problem(500, message)(scope, receive, send)


def _fault(place: tuple[int | str, ...], message: str) -> RowFault:
    row = next((part for part in place if isinstance(part, int)), None)
    field = ".".join(part for part in place[1:] if isinstance(part, str)) or "body"
    return RowFault(row=row if place[0] == "body" and len(place) > 2 else None, rule=field, message=message)  # noqa: PLR2004
