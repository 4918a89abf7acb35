"""Requests byte by byte, as no HTTP client sends them."""

import contextlib
import socket

import httpx

SECONDS = 10


def connected(client: httpx.Client, source: str = "127.0.0.1") -> socket.socket:
    """A connection to the service of a client."""
    place = client.base_url
    return socket.create_connection((place.host, place.port), timeout=SECONDS, source_address=(source, 0))


def answer_to(wire: socket.socket) -> str:
    """The head of the next answer; empty: the connection was closed without one."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while b"\r\n\r\n" not in received and (more := wire.recv(65536)):
            received += more
    return received.partition(b"\r\n\r\n")[0].decode()


def is_closed(wire: socket.socket, within: float) -> bool:
    """Whether the service closes the connection within some seconds, whatever it sends before."""
    wire.settimeout(within)
    try:
        while wire.recv(65536):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True
