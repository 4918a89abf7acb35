"""Connections of the live service: none is held without a request, and nobody holds all of them.

uvicorn waits without end for a request's headers and body, and for a client that reads its response. `Connection` gives
each of these a time. `Places` caps the connections, in total and per address. At a cap, the connection that has waited
longest gives way, so that a new request is answered however many idle or half-open connections a client holds. A
request without a place (`Admission`) is refused before the app sees it, which costs much less than an answer.
"""

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Literal

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.admission import Admission, kind_of
from serving.peers import Networks, Peer, is_trusted

MOST_HEAD_BYTES = 64 * 1024
MIN_BYTES_PER_SECOND = 10_000
"""Speed of the slowest client that gets its response, however long that takes."""

MAX_CHECK_SECONDS = 1.0

RETRY_SECONDS = 1
"""Time after which a refused client may try again."""

Phase = Literal["receiving", "working", "sending", "idle", "closing"]


@dataclass(frozen=True)
class Limits:
    """Limits of connections.

    Attributes:
        connections: maximum number in total.
        per_address: maximum number per address; an IPv6 /64 counts as one address, a trusted proxy has no maximum.
        headers_seconds: time for the headers of a request, from the connection's or the request's first byte.
        body_seconds: time for a whole request, and for a client that stopped reading.
        message_bytes: bytes of a request after which the connection is cut, read or not.
        trusted: networks of trusted proxies.
    """

    connections: int
    per_address: int
    headers_seconds: float
    body_seconds: float
    message_bytes: int
    trusted: Networks = ()


class Places:
    """Open connections of a server, by address."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._by_group: dict[str, set[Connection]] = defaultdict(set)
        self._count = 0

    def enter(self, new: "Connection") -> None:
        """Add a connection; at a cap, close the one that has waited longest, or the new one if all are working."""
        group = self._by_group[new.group]
        group.add(new)
        self._count += 1
        if len(group) > self.limits.per_address and not is_trusted(new.peer.address, self.limits.trusted):
            self._close_one(new.group, new)
        if self._count > self.limits.connections:
            self._close_one(max(self._by_group, key=lambda name: len(self._by_group[name])), new)

    def leave(self, connection: "Connection") -> None:
        """Remove a connection; a second time does nothing."""
        group = self._by_group.get(connection.group, set())
        if connection in group:
            group.remove(connection)
            self._count -= 1
        if not group:
            self._by_group.pop(connection.group, None)

    def _close_one(self, group: str, new: "Connection") -> None:
        waiting = [one for one in self._by_group[group] if one is not new and one.phase() != "working"]
        closed = min(waiting, key=lambda one: one.since, default=new)
        self.leave(closed)
        closed.transport.abort()


class Connection(HttpToolsProtocol):
    """An HTTP connection that is closed when it waits for too long, and whose requests are admitted or refused."""

    def __init__(self, places: Places, admission: Admission, *args: Any, **options: Any) -> None:  # noqa: ANN401  # uvicorn's
        super().__init__(*args, **options)
        self.places, self.limits, self.admission = places, places.limits, admission
        self._app, self.app = self.app, self._work
        self._refused = False
        self._partial, self._bytes, self._requests = True, 0, 0
        self._seen: tuple[Phase, int] = ("receiving", 0)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin to watch the connection."""
        super().connection_made(transport)
        self.peer = Peer(self.client, self.server)
        self.group = self.peer.group
        self.app_state = {**self.app_state, "peer": self.peer}  # `request.state.peer` of its requests
        self.since = self.loop.time()
        self._patience = self.limits.headers_seconds
        self._every = min(MAX_CHECK_SECONDS, self.limits.headers_seconds / 4)
        self._timer = self.loop.call_later(self._every, self._watch)
        self.places.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the watch."""
        self._timer.cancel()
        self.places.leave(self)
        self.admission.leave(len(self.pipeline))  # the pipelined requests, which nobody will work on
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the next bytes; refuse a request whose headers or body never end."""
        self._partial = True
        self._bytes += len(data)
        super().data_received(data)
        if not self._partial or self.transport.is_closing():
            return
        if self._bytes > MOST_HEAD_BYTES and not self._has_head():
            self._refuse(431, f"Expected headers of at most {MOST_HEAD_BYTES:,} bytes.")
        elif self._bytes > self.limits.message_bytes:
            self._refuse(413, "The body is too large (serving.max_body_kilobytes): send it in parts.")

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._partial, self._bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Admit or refuse the request; one behind another on its connection gets the next place."""
        pipelined = self.cycle is not None and not self.cycle.response_complete
        self._refused = not self.admission.enter("always" if pipelined else kind_of(self.url))
        if not self._refused:
            super().on_headers_complete()
            return
        self.scope["method"] = self.parser.get_method().decode("ascii")
        closes = not self.parser.should_keep_alive()
        self.transport.write(BUSY[closes])
        if closes:
            self.transport.close()

    def on_body(self, body: bytes) -> None:
        """Add to the request's body; that of a refused request is skipped."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._partial, self._bytes = False, 0
        self._requests += 1
        if self._refused:
            self.on_response_complete()
        else:
            super().on_message_complete()

    def phase(self) -> Phase:
        """What the connection waits for; nothing if the service works on a request."""
        if self.transport.is_closing():
            return "closing"
        if self.flow.write_paused:
            return "sending"
        if self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete:
            return "working"
        return "receiving" if self._partial else "idle"

    async def _work(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app work on an admitted request, and free its place."""
        try:
            await self._app(scope, receive, send)
        finally:
            self.admission.leave()

    def _watch(self) -> None:
        now, seen = self.loop.time(), (self.phase(), self._requests)
        if seen != self._seen:
            self._seen, self.since = seen, now
            unsent = self.transport.get_write_buffer_size()
            self._patience = self.limits.body_seconds + unsent / MIN_BYTES_PER_SECOND
        self._timer = self.loop.call_later(self._every, self._watch)
        waited = now - self.since
        if seen[0] == "receiving" and waited > self.limits.headers_seconds and not self._has_head():
            self._refuse(408, f"Expected the headers of a request within {self.limits.headers_seconds:g} seconds.")
        elif seen[0] == "receiving" and waited > self.limits.body_seconds:
            self._refuse(408, f"Expected the whole request within {self.limits.body_seconds:g} seconds.")
        elif seen[0] in ("sending", "closing") and waited > self._patience:
            self.transport.abort()

    def _has_head(self) -> bool:
        """Whether the headers of the request that is arriving are complete."""
        return self.scope is not None and "method" in self.scope

    def _refuse(self, status: int, message: str) -> None:
        """Answer, if it is this request's turn and it has no answer yet, and close."""
        if self._refused:
            unanswered = False
        elif self._has_head():  # the newest cycle is this request's
            unanswered = not self.cycle.response_started and not self.pipeline
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        else:
            unanswered = self.cycle is None or self.cycle.response_complete
        if unanswered:
            self.transport.write(_response(status, message, closes=True))
        self.transport.close()


def _response(status: int, message: str, *headers: str, closes: bool) -> bytes:
    """Error response of the API, written without the app."""
    body = json.dumps({"error": message, "faults": []})
    lines = ["content-type: application/json", f"content-length: {len(body)}", *headers]
    lines += ["connection: close"] if closes else []
    return STATUS_LINE[status] + "\r\n".join([*lines, "", body]).encode()


BUSY = {
    closes: _response(
        503,
        "The service has more requests than it can answer. Try again in a second.",
        f"retry-after: {RETRY_SECONDS}",
        closes=closes,
    )
    for closes in (True, False)
}
"""Response to a request without a place, by whether it is the connection's last; built once, because many are sent."""
