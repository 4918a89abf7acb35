"""Listeners on ports of this machine: a password must not go to another user's program."""

import ipaddress
import os
import socket
import sys
from pathlib import Path

from pipelines.errors import PurseError

LISTENS = "0A"
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def require_own_listener(host: str, port: int, setting: str) -> None:
    """Raise if a program of another user listens on a loopback port; root's are believed, as root reads any file.

    Systems without /proc/net are not checked.

    Raises:
        PurseError: the message names the user and the setting for another port.
    """
    strangers = {uid for uid in _listeners(host, port) if uid not in (0, os.geteuid())}
    if strangers:
        variable = f"PURSE_{setting.replace('.', '__').upper()}"
        raise PurseError(
            f"Port {port} on {host} belongs to a program of another user (uid {min(strangers)}), not to this home's "
            f"service, so no password is sent there. Stop that program, or choose another port with {variable}=NUMBER."
        )


def _listeners(host: str, port: int) -> set[int]:
    """User ids of the programs that listen on a port of this machine, on `host` or on all addresses."""
    if not is_loopback(host):
        return set()
    found = set()
    for table in TABLES:
        if not table.is_file():
            continue
        for line in table.read_text().splitlines()[1:]:
            _, local, _, state, _, _, _, uid, *_ = line.split()
            address, _, number = local.partition(":")
            if state == LISTENS and int(number, 16) == port and _covers(address, host):
                found.add(int(uid))
    return found


def _covers(address: str, host: str) -> bool:
    """Whether a socket at a kernel's hexadecimal address answers for a loopback host."""
    words = [int(address[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(address), 8)]
    listening = ipaddress.ip_address(b"".join(words))
    mapped = getattr(listening, "ipv4_mapped", None) or listening
    return mapped.is_unspecified or str(mapped) in {str(item[4][0]) for item in socket.getaddrinfo(host, None)}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
