"""Authentication, scopes and rate limits of requests."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import FastAPI, Request, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette import types
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from pipelines.listener import is_loopback
from pipelines.live.keys import Scope
from pipelines.settings import Settings
from serving.api.errors import RefusedError
from serving.api.proxies import place, sign_of_proxy
from serving.api.rates import Rate
from serving.api.signed import SignedRequests, is_signed
from serving.clock import wall
from serving.peers import Address, Peer, forwarded, group, parse_networks

BEARER = HTTPBearer(auto_error=False, description="A key from 'purse keys create'. On loopback none is needed.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]


class Guard:
    """Checks keys, scopes and rates of one service.

    On loopback a request without a key may do everything if this user's own program sent it, as that may read the files
    too. A program of another user may not, nor a reverse proxy, nor a page of another site in this user's browser.
    """

    def __init__(self, settings: Settings) -> None:
        serving = settings.serving
        self._trusted = parse_networks(serving.trusted_proxies)
        self.always = serving.keys == "always" or bool(self._trusted) or not is_loopback(settings.services.host)
        self._rate = Rate("rate_limit", serving.rate_limit)
        self._refusals = Rate("refused_limit", serving.refused_limit)
        self._steps = SignedRequests(settings.serving_folder)

    async def admit(self, request: Request, scope: Scope) -> None:
        """Let a request pass; `request.state.who` says whose it is: a key's id, or an address.

        Raises:
            RefusedError: with the status that says why not.
        """
        address = self._address(request)
        request.state.who = str(address or "local")
        try:
            who = self._identified(request, scope)
        except RefusedError as error:
            if self._refusals.hit(group(address)):
                raise
            raise RefusedError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"More than {self._refusals} refused requests from {request.state.who}: correct the key and wait.",
            ) from error
        if who is not None:
            request.state.who = who
        if not self._rate.hit(group(address) if who is None else who):
            raise RefusedError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"More than {self._rate} from {request.state.who}: wait a moment, or raise serving.rate_limit.",
            )
        request.state.admitted = scope

    def may(self, request: Request, scope: Scope) -> bool:
        """Say whether a request has a scope; a wrong key counts as a refused request."""
        try:
            self._identified(request, scope)
        except RefusedError:
            if presented(request.headers.get("authorization")) is not None:
                self._refusals.hit(group(self._address(request)))
            return False
        return True

    def _address(self, request: Request) -> Address | None:
        lines = request.headers.getlist("x-forwarded-for") if self._trusted else []
        return forwarded(_peer(request).address, lines, self._trusted)

    def _identified(self, request: Request, scope: Scope) -> str | None:
        """The holder of the request's key or signature; None: it needs none.

        Raises:
            RefusedError: it needs a key, or one with this scope.
        """
        header = request.headers.get("authorization")
        if header is not None and is_signed(header):
            return self._steps.verify(request, header, scope)
        text = presented(header)
        if text is None or _is_basic(header):
            _refuse_other_sites(request)
        if text is None:
            self._refuse_others(request, scope)
            return None
        key = request.app.state.service.keys.verify(text, wall())
        if key is None:
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "This key is not known, or was revoked or has expired.")
        if scope not in key.scopes:
            raise RefusedError(
                HTTPStatus.FORBIDDEN, f"This key may {', '.join(key.scopes)}; what was asked needs '{scope}'."
            )
        return f"key {key.key_id}"

    def _refuse_others(self, request: Request, scope: Scope) -> None:
        """Refuse a request without a key unless this user's own program sent it.

        Raises:
            RefusedError: it needs a key.
        """
        needed = f"A key with the scope '{scope}' is needed: 'purse keys create' makes one."
        if self.always:
            raise RefusedError(HTTPStatus.UNAUTHORIZED, needed)
        if sign := sign_of_proxy(request.scope):
            raise RefusedError(
                HTTPStatus.UNAUTHORIZED,
                f"{needed} Without one a request comes straight from a program of this machine; this one came through "
                f"a proxy ({sign}). See docs/guides/behind-a-proxy.md.",
            )
        _refuse_other_names(request)
        if not _peer(request).is_own():
            raise RefusedError(
                HTTPStatus.UNAUTHORIZED,
                f"{needed} Without one a request comes from a program of the user who runs the service; this one came "
                "from another user's, such as a reverse proxy. See docs/guides/behind-a-proxy.md.",
            )


def _peer(request: Request) -> Peer:
    """The connection's other end, as `serving.connections` saw it or, on another server, by its addresses."""
    peer = getattr(request.state, "peer", None)
    return peer if isinstance(peer, Peer) else Peer(request.scope.get("client"), request.scope.get("server"))


def requires(scope: Scope) -> Callable[..., Awaitable[None]]:
    """The dependency of endpoints that need a scope; `check_keys_first` makes the check before a body is read."""

    async def check(request: Request, _: Credentials) -> None:
        if getattr(request.state, "admitted", None) != scope:
            await request.app.state.guard.admit(request, scope)

    check.scope = scope  # type: ignore[attr-defined]  # for `scope_of`
    return check


def scope_of(route: BaseRoute) -> Scope | None:
    """The scope that a route needs by `requires`; None: it needs no key."""
    dependencies = route.dependant.dependencies if isinstance(route, APIRoute) else []
    scopes = (getattr(dependency.call, "scope", None) for dependency in dependencies)
    return next((scope for scope in scopes if scope is not None), None)


def check_keys_first(app: FastAPI) -> None:
    """Check keys and rates before a body is read: FastAPI reads and parses it before it asks dependencies."""
    for route in app.routes:
        if isinstance(route, APIRoute) and (scope := scope_of(route)):
            route.app = _KeyFirst(route.app, scope)


class _KeyFirst:
    """A route behind the check of its key."""

    def __init__(self, app: ASGIApp, needed: Scope) -> None:
        self._app, self._needed = app, needed

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        await scope["app"].state.guard.admit(Request(scope), self._needed)
        await self._app(scope, receive, send)


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
    if sent_by_page or (origin and place(origin).netloc != request.headers.get("host", "")):
        raise RefusedError(
            HTTPStatus.FORBIDDEN, "A request from another site's page needs a key ('purse keys') as its Bearer."
        )


def _refuse_other_names(request: Request) -> None:
    """Refuse a name by which another site points the browser to this machine (DNS rebinding)."""
    name = place("//" + request.headers.get("host", "")).hostname or ""
    if not is_loopback(name):
        raise RefusedError(
            HTTPStatus.FORBIDDEN,
            "A request under a name that isn't this machine's needs a key ('purse keys'). Without one, ask 127.0.0.1 "
            "or localhost.",
        )
