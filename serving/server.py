"""The HTTP server of the live service: uvicorn with limits on connections, and without trust in proxy headers."""

import resource
from functools import partial

import uvicorn
from fastapi import FastAPI

from pipelines.settings import Settings
from serving.admission import Admission
from serving.connections import MOST_HEAD_BYTES, Connection, Limits, Places
from serving.peers import parse_networks

SHUTDOWN_SECONDS = 5
KEEP_ALIVE_SECONDS = 65
"""Longer than the 60 s of common proxies and load balancers: whoever closes first must not have a request under way."""

OTHER_FILES = 128
"""Descriptors that the service keeps for its store, engine, logs and pages."""

FEWEST_CONNECTIONS = 16


def create_server(app: FastAPI, settings: Settings) -> uvicorn.Server:
    """Build the server of an app on the host and port of the settings.

    Raises:
        PurseError: a setting is invalid.
    """
    admission = Admission(settings.serving.max_requests, app.state.service.metrics.shed)
    config = uvicorn.Config(
        app,
        host=settings.services.host,
        port=settings.serving.port,
        loop="uvloop",
        http=partial(Connection, Places(limits(settings)), admission),  # type: ignore[arg-type]  # called as the class would be
        ws="none",
        # uvicorn would believe X-Forwarded-For from any process of this machine; serving.peers reads it
        proxy_headers=False,
        # uvicorn's access log would contain user ids; the app writes its own without them
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return uvicorn.Server(config)


def limits(settings: Settings) -> Limits:
    """Limits of connections by the settings, below the number of files that this process may open."""
    serving = settings.serving
    most = min(serving.max_connections, max(FEWEST_CONNECTIONS, _files(serving.max_connections) - OTHER_FILES))
    return Limits(
        connections=most,
        per_address=min(serving.max_connections_per_address, most),
        headers_seconds=serving.headers_seconds,
        body_seconds=serving.body_seconds,
        message_bytes=MOST_HEAD_BYTES + 2 * 1024 * serving.max_body_kilobytes,
        trusted=parse_networks(serving.trusted_proxies),
    )


def _files(connections: int) -> int:
    """Files that this process may open, after asking for enough."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
