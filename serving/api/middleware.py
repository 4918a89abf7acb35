"""Middleware for every request: headers, metrics, an access log without user ids, and limits of time and size."""

import asyncio
import hmac
import json
import logging
from time import perf_counter

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.admission import kind_of
from serving.api.errors import Sender, problem
from serving.service.state import Service

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
"""Default headers; a response that sets its own, as the dashboard's pages do, keeps them."""

SERVER_FAULT = 500
log = logging.getLogger("purse.access")


class HeadAsGet:
    """Answers HEAD as GET without its body, at every address that answers GET."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        inner = {**scope, "method": "GET"}
        await self.app(inner, receive, sending)
        scope["route"] = inner.get("route")  # for the access log


class Observed:
    """Measures and logs each request; adds security headers and the active release to each response."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = perf_counter(), SERVER_FAULT

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if self.service.current is not None:
                    headers["purse-release"] = self.service.current.state.release
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            self._record(scope, status, perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path_format", None) or "none"
        metrics = self.service.metrics
        metrics.requests.labels(route, scope["method"], status).inc()
        metrics.seconds.labels(route).observe(seconds)
        line = {"method": scope["method"], "route": route, "status": status, "ms": round(1000 * seconds, 2)}
        if who := scope.get("state", {}).get("who"):
            line["who"] = who
        if user_id := scope.get("path_params", {}).get("user_id"):
            line["user"] = self._pseudonym(user_id)
        log.info("%s", json.dumps(line))

    def _pseudonym(self, user_id: str) -> str:
        return hmac.digest(self.service.log_key, user_id.encode(), "sha256").hex()[:16]


class LimitedBody:
    """Rejects bodies above a size, with a Content-Length or in chunks."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        too_large = length.isdigit() and int(length) > self.most
        received = 0

        async def receiving() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if too_large or received > self.most:
                raise HTTPException(
                    413,
                    f"Expected a body of at most {self.most:,} bytes (serving.max_body_kilobytes): send it in parts.",
                )
            return message

        await self.app(scope, receiving, send)


class LimitedTime:
    """Gives up reads and pages after a time, when their caller has probably given up; a write ends with its outcome."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app, self.seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or kind_of(scope["raw_path"]) not in ("read", "page"):
            await self.app(scope, receive, send)
            return
        sender = Sender(send)
        try:
            async with asyncio.timeout(self.seconds):
                await self.app(scope, receive, sender)
        except TimeoutError:
            if sender.started:
                raise
            message = f"There was no answer within {self.seconds:g} seconds (serving.read_seconds). Try again."
            await problem(503, message, headers={"Retry-After": "1"})(scope, receive, send)
