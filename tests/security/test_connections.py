"""Whoever holds connections without asking for anything doesn't keep others out."""

import asyncio
import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from serving.server import FEWEST_CONNECTIONS, create_server, limits
from tests.security.raw import answer_to, connected, is_closed
from tests.serving import stand_in
from tests.serving.servers import wait_until

SOON = 4.0
"""Seconds until a connection is closed that has 0.4 for its headers or 0.8 for its request."""

GET = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
POST = b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


@pytest.fixture
def impatient(home, serve):
    return serve(home.with_changes(serving__headers_seconds=0.4, serving__body_seconds=0.8))


@pytest.mark.parametrize("begun", [b"", b"G", b"GET / HTTP/1.1\r\nhost: loc", b"\r\n\r\n", GET + b"GET /h"])
def test_headers_that_do_not_end_are_waited_for_briefly(impatient, begun):
    with connected(impatient) as wire:
        wire.sendall(begun)
        assert is_closed(wire, SOON)


@pytest.mark.parametrize("drop", [b"x", b"\r\n"])
def test_headers_that_arrive_in_drops_are_no_progress(impatient, drop):
    with connected(impatient) as wire:
        wire.sendall(b"" if drop == b"\r\n" else b"GET / HTTP/1.1\r\nx: ")
        until = time.monotonic() + SOON
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < until:
                wire.sendall(drop)
                time.sleep(0.05)
        assert time.monotonic() < until


@pytest.mark.parametrize("length", [b"content-length: 100", b"transfer-encoding: chunked"])
def test_a_body_that_does_not_end_is_waited_for_briefly(impatient, length):
    with connected(impatient) as wire:
        wire.sendall(POST + length + b"\r\n\r\n" + (b'5\r\n{"eve' if b"chunked" in length else b'{"eve'))
        assert answer_to(wire).startswith("HTTP/1.1 408 ")
        assert is_closed(wire, SOON)


def test_a_body_behind_its_own_refusal_is_not_read_for_long(impatient):
    with connected(impatient) as wire:
        wire.sendall(POST + b"authorization: Bearer wrong\r\ncontent-length: 9000000\r\n\r\n")
        assert answer_to(wire).startswith("HTTP/1.1 401 ")
        assert is_closed(wire, SOON)


@pytest.mark.parametrize(
    ("head", "more"),
    [
        (b"GET / HTTP/1.1\r\nhost: localhost\r\nx: ", b"x" * 1000),
        (b"GET /", b"x" * 1000),
        (b"GET / HTTP/1.1\r\n", b"x-a: 1\r\n" * 100),
        (POST + b"content-length: 99999999999\r\nauthorization: Bearer wrong\r\n\r\n", b"x" * 10000),
        (
            POST + b"transfer-encoding: chunked\r\nauthorization: Bearer wrong\r\n\r\n",
            b"1;" + b"e" * 9000 + b"\r\nx\r\n",
        ),
        (POST + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"trailer: 1\r\n" * 1000),
        (POST + b"transfer-encoding: chunked\r\n\r\n0\r\ntrailer: ", b"x" * 10000),
    ],
)
def test_a_request_without_end_is_cut(client, head, more):
    with connected(client) as wire:
        sent = len(head)
        with contextlib.suppress(ConnectionError):
            wire.sendall(head)
            while sent < 100_000_000:
                wire.sendall(more)
                sent += len(more)
        assert sent < 20_000_000  # a little over 2 MB, and what lies in the kernel's buffers


def test_whoever_reads_no_answer_is_dropped(impatient):
    service = impatient.app.state.service
    with connected(impatient) as wire:
        with contextlib.suppress(TimeoutError, ConnectionError):
            wire.settimeout(0.5)
            while True:
                wire.sendall(b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n" * 50)
        begun = time.monotonic()
        wait_until(lambda: wire.fileno() < 0 or _is_reset(wire), "the connection is dropped", 60)
        assert time.monotonic() - begun < 60
    assert impatient.get("/healthz").status_code == 200
    assert service.current is not None


def test_an_idle_connection_is_kept_for_a_while_only(home, serve, monkeypatch):
    monkeypatch.setattr("serving.server.KEEP_ALIVE_SECONDS", 1)
    client = serve(home)
    with connected(client) as wire:
        wire.sendall(GET)
        assert answer_to(wire).startswith("HTTP/1.1 200 ")
        assert is_closed(wire, SOON)


def test_at_the_cap_of_an_address_the_newest_requests_are_answered(home, serve):
    client = serve(home.with_changes(serving__max_connections_per_address=20))
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(connected(client)) for _ in range(60)]
        for wire in wires[::2]:
            with contextlib.suppress(ConnectionError):
                wire.sendall(b"GET / HTTP/1.1\r\n")
        assert httpx.get(f"{client.base_url}/healthz", trust_env=False).status_code == 200
        assert sum(is_closed(wire, 0.01) for wire in wires) >= 40


@pytest.fixture
def slowly(monkeypatch):
    """Makes the scores of a service take longer than a request may."""

    def slow_down(client: httpx.Client) -> None:
        async def slow(_):
            await asyncio.sleep(2)

        monkeypatch.setattr(client.app.state.service.store, "score", slow)

    return slow_down


def test_a_request_at_work_has_its_time(impatient, slowly):
    slowly(impatient)
    with connected(impatient) as wire:
        wire.sendall(b"GET /v1/users/eve/score HTTP/1.1\r\nhost: localhost\r\n\r\n")
        time.sleep(0.2)
        wire.sendall(b"\r\n")  # some clients end a request so
        assert answer_to(wire).startswith("HTTP/1.1 404 ")


def test_a_request_at_work_does_not_give_way(home, serve, slowly):
    client = serve(home.with_changes(serving__max_connections_per_address=10))
    slowly(client)
    with ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as stack:
        answer = pool.submit(httpx.get, f"{client.base_url}/v1/users/eve/score", trust_env=False)
        time.sleep(0.5)
        for _ in range(50):
            stack.enter_context(connected(client))
        assert answer.result().status_code == 404


def test_400_half_open_connections_and_256_descriptors(home):
    """The service in a process of its own that may open no more files; the attacker is another."""
    stand_in.champion(home, "1", stand_in.date(2001, 3, 1))
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)); "
        "from tests.serving import stand_in; stand_in.main(int(sys.argv[1]))"
    )
    environment = {**os.environ, "PURSE_HOME": str(home.home_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", code, str(home.serving.port)], env=environment)
    with httpx.Client(base_url=f"http://127.0.0.1:{home.serving.port}", trust_env=False) as client:
        try:
            wait_until(lambda: _ready(client), "the service is ready")
            with contextlib.ExitStack() as stack:
                for number in range(400):
                    wire = stack.enter_context(connected(client, f"127.0.0.{1 + number % 50}"))
                    with contextlib.suppress(ConnectionError):
                        wire.sendall(b"POST /v1/events HTTP/1.1\r\n")
                for _ in range(20):
                    begun = time.monotonic()
                    assert httpx.get(f"{client.base_url}/healthz", trust_env=False).status_code == 200
                    assert httpx.get(f"{client.base_url}/v1/users/ann/score", trust_env=False).status_code == 200
                    assert time.monotonic() - begun < 2
                assert len(list(Path(f"/proc/{process.pid}/fd").iterdir())) < 256
        finally:
            process.terminate()
            process.wait(timeout=30)


def test_the_cap_leaves_files_for_the_service(home):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        assert limits(home).connections == home.serving.max_connections  # asks for more
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= home.serving.max_connections
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert limits(home.with_changes(serving__max_connections=5)).per_address == 5
    assert limits(home).per_address > FEWEST_CONNECTIONS


def test_no_websocket_takes_over_the_connection(client):
    assert create_server(client.app, client.app.state.service.settings).config.ws == "none"
    with connected(client) as wire:
        wire.sendall(GET.replace(b"\r\n\r\n", b"\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"))
        assert answer_to(wire).startswith("HTTP/1.1 200 ")


def test_honest_clients_are_served_as_before(impatient):
    """Pipelined, in drops, in chunks, and on a connection that lives longer than a request may take."""
    with connected(impatient) as wire:
        wire.sendall(GET * 3)
        text = b""
        while text.count(b"alive") < 3:
            text += wire.recv(65536)
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            for part in (GET[:10], GET[10:]):
                wire.sendall(part)
                time.sleep(0.02)
            assert answer_to(wire).startswith("HTTP/1.1 200 ")
    body = json.dumps({"user_ids": ["ann"] * 1000}).encode()
    for _ in range(3):
        sent = impatient.post(
            "/v1/scores", content=iter([body[:9], body[9:]]), headers={"content-type": "application/json"}
        )
        assert sent.status_code == 200
    assert impatient.post("/v1/scores", content=b"x" * 2_000_000).status_code == 413


def _is_reset(wire) -> bool:
    """Whether the service has dropped a connection whose answers lie unread."""
    try:
        wire.sendall(b"x")
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return False


def _ready(client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False
