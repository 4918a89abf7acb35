"""Other ends of connections: their addresses, the groups that limits count, and whose processes they are."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from pipelines.errors import PurseError
from serving import owners

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]

MOST_HOPS = 20
ONE_CUSTOMER = 64
"""Length of the IPv6 prefix that a single customer of a provider owns."""


class Peer:
    """Other end of a connection.

    Attributes:
        address: its address; None: it has none, as on a Unix socket.
        group: group that limits count together.
    """

    def __init__(self, client: tuple[str, int] | None, server: tuple[str, int | None] | None) -> None:
        self._ends = (client, server)
        self._own: bool | None = None
        self.address = parse_address(client[0]) if client else None
        self.group = group(self.address)

    def is_own(self) -> bool:
        """Say whether this user or root runs the process at the other end; elsewhere than on Linux it is believed."""
        if self.address is None or not self.address.is_loopback:
            return False
        if self._own is None:
            self._own = not owners.IS_KNOWN or self._look_up()
        return self._own

    def _look_up(self) -> bool:
        client, server = self._ends
        here = parse_address(server[0]) if server else None
        if client is None or server is None or server[1] is None or here is None:
            return False
        return owners.is_own((str(self.address), client[1]), (str(here), server[1]))


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Address | None:
    """Parse an address, without its zone and as IPv4 if IPv6 only wraps it; None: it is none."""
    try:
        address = ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def parse_networks(texts: Iterable[str]) -> Networks:
    """Parse `serving.trusted_proxies`.

    Raises:
        PurseError: a text is not an address or a network, or stands for all addresses.
    """
    networks = []
    for text in texts:
        try:
            network = ip_network(text)
        except ValueError as error:
            raise PurseError(
                f"serving.trusted_proxies has '{text}'; expected an address such as 10.0.0.7 or a network such as "
                f"10.0.0.0/24 ({error})."
            ) from error
        if network.prefixlen == 0:
            raise PurseError(
                f"serving.trusted_proxies has '{text}', which is every address: anybody could claim any address. "
                "Name the addresses of your proxies."
            )
        networks.append(network)
    return tuple(networks)


def is_trusted(address: Address | None, trusted: Networks) -> bool:
    """Say whether an address is a trusted proxy's."""
    return address is not None and any(address in network for network in trusted)


def group(address: Address | None) -> str:
    """Group of addresses that one person can choose among: an IPv6 /64, or all of loopback."""
    if address is None:
        return "unknown"
    if address.is_loopback:
        return "loopback"
    return str(ip_network((address, ONE_CUSTOMER), strict=False)) if isinstance(address, IPv6Address) else str(address)


def forwarded(peer: Address | None, lines: Sequence[str], trusted: Networks) -> Address | None:
    """Address of the client: the peer's or, behind trusted proxies, what the outermost of them saw.

    Args:
        peer: address at the other end of the connection.
        lines: values of the headers X-Forwarded-For, in order; each proxy appends the address that it saw.
        trusted: networks of the proxies whose header is believed.
    """
    found = peer
    for hop in reversed(",".join(lines).rsplit(",", MOST_HOPS)):
        if not is_trusted(found, trusted):
            break
        address = parse_address(_without_port(hop.strip()))
        if address is None:
            break
        found = address
    return found


def _without_port(text: str) -> str:
    """An address of X-Forwarded-For without the port that some proxies add: 192.0.2.1:80, [2001:db8::1]:80."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
