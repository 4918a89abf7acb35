"""Authentication, scopes and rate limits of requests."""

import base64
import binascii
import ipaddress
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from fastapi import FastAPI, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from pipelines.errors import PurseError
from pipelines.live.keys import Scope
from pipelines.settings import Settings
from serving.api.errors import RefusedError
from serving.api.signed import SignedRequests, is_signed
from serving.clock import wall

BEARER = HTTPBearer(auto_error=False, description="A key from 'purse keys create'. On loopback none is needed.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]


class Guard:
    """Checks keys, scopes and rates of one service.

    On loopback a request without a key may do everything, as whoever has a login on the machine may read its files;
    a web page of another site, which a browser on the machine shows, may not.
    """

    def __init__(self, settings: Settings) -> None:
        self.is_local = is_loopback(settings.services.host)
        self._steps = SignedRequests(settings.serving_folder)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._rate = _rate("rate_limit", settings.serving.rate_limit)
        self._refusals = _rate("refused_limit", settings.serving.refused_limit)

    async def admit(self, request: Request, scope: Scope) -> None:
        """Let a request pass; `request.state.who` says whose it is.

        Raises:
            RefusedError: with the status that says why not.
        """
        try:
            who = self._identified(request, scope)
        except RefusedError as error:
            address = _address(request)
            if await self._limiter.hit(self._refusals, f"refused {address}"):
                raise
            raise RefusedError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"More than {self._refusals} refused requests from {address}: correct the key and wait.",
            ) from error
        request.state.who = who
        if not await self._limiter.hit(self._rate, who):
            raise RefusedError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"More than {self._rate} from {who}: wait a moment, or raise serving.rate_limit.",
            )

    def may(self, request: Request, scope: Scope) -> bool:
        """Say whether a request has a scope; it is not counted."""
        try:
            self._identified(request, scope)
        except RefusedError:
            return False
        return True

    def _identified(self, request: Request, scope: Scope) -> str:
        header = request.headers.get("authorization")
        if header is not None and is_signed(header):
            return self._steps.verify(request, header, scope)
        text = presented(header)
        if text is None or _is_basic(header):
            _refuse_other_sites(request)
        if text is None:
            if not self.is_local:
                raise RefusedError(
                    HTTPStatus.UNAUTHORIZED, f"A key with the scope '{scope}' is needed: 'purse keys create' makes one."
                )
            _refuse_other_names(request)
            return _address(request)
        key = request.app.state.service.keys.verify(text, wall())
        if key is None:
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "This key is not known, or was revoked or has expired.")
        if scope not in key.scopes:
            raise RefusedError(
                HTTPStatus.FORBIDDEN, f"This key may {', '.join(key.scopes)}; what was asked needs '{scope}'."
            )
        return f"key {key.key_id}"


def _rate(name: str, text: str) -> RateLimitItem:
    try:
        return parse(text)
    except ValueError as error:
        raise PurseError(
            f"serving.{name} is '{text}'; expected a number and a time, such as 2000/second or 10000/hour."
        ) from error


def _address(request: Request) -> str:
    return request.client.host if request.client else "local"


def requires(scope: Scope) -> Callable[..., Awaitable[None]]:
    """The dependency of endpoints that need a scope."""

    async def check(request: Request, _: Credentials) -> None:
        await request.app.state.guard.admit(request, scope)

    return check


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def presented(header: str | None) -> str | None:
    """The key in an Authorization header: a Bearer's, or a Basic's password, which is how browsers send one."""
    if header is None:
        return None
    kind, _, value = header.partition(" ")
    if not _is_basic(header):
        return value.strip() or kind
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return value


def add_guard(app: FastAPI, settings: Settings) -> None:
    """Give the app its guard."""
    app.state.guard = Guard(settings)


def _is_basic(header: str | None) -> bool:
    """Whether a browser may have added it by itself."""
    return header is not None and header.partition(" ")[0].lower() == "basic"


def _refuse_other_sites(request: Request) -> None:
    """Refuse what another site's page makes a browser send; a link to a page of this one is let pass."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    sent_by_page = site in ("cross-site", "same-site") and request.method != "GET"
    if sent_by_page or (origin and _place(origin).netloc != request.headers.get("host", "")):
        raise RefusedError(
            HTTPStatus.FORBIDDEN, "A request from another site's page needs a key ('purse keys') as its Bearer."
        )


def _refuse_other_names(request: Request) -> None:
    """Refuse a name by which another site points the browser to this machine (DNS rebinding)."""
    name = _place("//" + request.headers.get("host", "")).hostname or ""
    if not is_loopback(name):
        raise RefusedError(
            HTTPStatus.FORBIDDEN,
            "A request under a name that isn't this machine's needs a key ('purse keys'). Without one, ask 127.0.0.1 "
            "or localhost.",
        )


def _place(url: str) -> SplitResult:
    """The parts of an address; none of one that is not valid."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
