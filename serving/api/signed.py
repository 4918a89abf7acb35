"""Requests signed by the steps of this home: each is valid once and for a short time, and its answer is signed."""

from collections.abc import MutableMapping
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.live.signing import ANSWER_HEADER, SCHEME, VARIABLE, Signed, parsed, shared_secret
from serving.api.errors import RefusedError
from serving.clock import wall

WHO = "steps of this home"
VALID = timedelta(minutes=5)
"""Maximum difference between the time of signing and the service's clock."""


class SignedRequests:
    """Verifies signed requests of one service."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._started = folder, wall()
        self._seen: dict[str, datetime] = {}

    def verify(self, request: Request, header: str, scope: str) -> str:
        """Admit a request to administration; return the name of its sender.

        Raises:
            RefusedError: the signature is not of this home's secret, is too old, or was used before; or the request
                needs another scope.
        """
        now, signed = wall(), parsed(header)
        secret = shared_secret(self._folder, now)
        # not request.url, which the header Host is a part of
        path, query = request.scope["path"], request.scope["query_string"]
        if signed is None or query or not signed.holds(secret, request.method, path):
            raise _unauthorized(
                f"This signature is not of the secret of this service's home. Send it from the same home, or give the "
                f"service and the steps the same {VARIABLE}."
            )
        request.state.signed = (signed, secret)  # from here on the answer, also a refusal, is signed
        if scope != "admin":
            raise RefusedError(HTTPStatus.FORBIDDEN, f"Signed requests may administer; this one needs '{scope}'.")
        self._require_new(signed, now)
        return WHO

    def _require_new(self, signed: Signed, now: datetime) -> None:
        moment = datetime.fromisoformat(signed.moment)
        if abs(now - moment) > VALID:
            raise _unauthorized(
                f"This request was signed at {moment.isoformat()} and it is {now.isoformat()} here: the difference may "
                f"be {VALID.seconds} s. Set the clocks of both machines, and send it again."
            )
        if moment < self._started or signed.nonce in self._seen:
            # what was seen before a restart is not known any more
            raise _unauthorized("This request was sent before, or before the service started. Sign and send it anew.")
        self._seen = {nonce: at for nonce, at in self._seen.items() if now - at <= VALID}
        self._seen[signed.nonce] = moment


async def signed_body(request: Request) -> None:
    """Require that the body is the signed one."""
    signed = _signature(request.scope)
    if signed is not None and not signed[0].covers(await request.body()):
        raise _unauthorized("The body of this request is not the one that was signed.")


class SignedAnswers:
    """Signs the answers to signed requests; others pass through."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        content = b""

        async def sending(message: Message) -> None:
            nonlocal start, content
            found = _signature(scope)
            if found is None:
                await send(message)
            elif message["type"] == "http.response.start":
                start = message
            elif start is not None:
                content += message.get("body", b"")
                if not message.get("more_body", False):
                    signed, secret = found
                    MutableHeaders(scope=start)[ANSWER_HEADER] = signed.answer(secret, start["status"], content)
                    await send(start)
                    await send({"type": "http.response.body", "body": content})

        await self.app(scope, receive, sending)


def is_signed(header: str | None) -> bool:
    """Say whether a header Authorization holds a signature."""
    return header is not None and header.partition(" ")[0] == SCHEME


def _signature(scope: MutableMapping[str, Any]) -> tuple[Signed, bytes] | None:
    found: tuple[Signed, bytes] | None = scope.get("state", {}).get("signed")
    return found


def _unauthorized(message: str) -> RefusedError:
    return RefusedError(HTTPStatus.UNAUTHORIZED, message)
