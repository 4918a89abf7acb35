"""User id of the process at the other end of a connection from this machine; only Linux tells."""

import os
import socket
import struct
import sys
from ipaddress import IPv6Address, ip_address
from pathlib import Path

End = tuple[str, int]

IS_KNOWN = sys.platform == "linux"
SOCKETS = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
"""The kernel's lists of all TCP sockets: milliseconds to read, and there where it answers no questions about one."""

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, LISTEN = 4, 20, 1, 10
ANY = 0xFFFFFFFF


def owner(client: End, server: End) -> int | None:
    """User id of the process that holds the client's end of a connection; None: no process does.

    A socket that its process has closed has no inode, and a user id of 0 that means nothing.
    """
    found = _ask(client, server)
    if found is None and _ask(server, client) is None:  # about our own end it would answer
        found = _search(client, server)
    if found is None:
        return None
    user, inode = found
    return user if inode else None


def is_own(client: End, server: End) -> bool:
    """Say whether this user or root runs the process at the client's end."""
    return owner(client, server) in (os.geteuid(), 0)


def _ask(client: End, server: End) -> tuple[int, int] | None:
    """User id and inode of one socket, by the kernel's sock_diag(7); None: it does not say."""
    ends = [ip_address(address).packed for address, _ in (client, server)]
    family = socket.AF_INET if len(ends[0]) == 4 else socket.AF_INET6  # noqa: PLR2004
    asked = struct.pack("=BBBxI", family, socket.IPPROTO_TCP, 0, ANY)
    asked += struct.pack("!HH16s16s", client[1], server[1], *ends) + struct.pack("=III", 0, ANY, ANY)
    head = struct.pack("=IHHII", 16 + len(asked), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_SOCK_DIAG) as kernel:
            kernel.settimeout(0)  # the answer is there when the question has been put
            kernel.sendto(head + asked, (0, 0))
            told = kernel.recv(4096)
    except OSError:
        return None
    (kind,) = struct.unpack_from("=H", told, 4)
    if kind != SOCK_DIAG_BY_FAMILY or told[17] == LISTEN:
        return None
    user, inode = struct.unpack_from("=II", told, 80)
    return user, inode


def _search(client: End, server: End) -> tuple[int, int] | None:
    """User id and inode of one socket in the list of all."""
    for table in SOCKETS:
        text = table.read_text() if table.exists() else ""
        row = text.find(f" {_as_listed(client, table)} {_as_listed(server, table)} ")
        if row >= 0:
            fields = text[row : text.find("\n", row)].split()
            return int(fields[6]), int(fields[8])
    return None


def _as_listed(end: End, table: Path) -> str:
    """An address and port as the kernel lists them: words of the machine's byte order, in hexadecimal digits."""
    address = ip_address(end[0])
    packed = address.packed
    if table.name == "tcp6" and address.version == 4:  # noqa: PLR2004
        packed = IPv6Address(f"::ffff:{address}").packed
    words = (int.from_bytes(packed[place : place + 4], sys.byteorder) for place in range(0, len(packed), 4))
    return "".join(f"{word:08X}" for word in words) + f":{end[1]:04X}"
