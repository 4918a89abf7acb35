"""Traces of a reverse proxy in a request."""

from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

NAMES = frozenset(
    (
        *("forwarded", "via", "proxy-connection", "x-real-ip", "x-client-ip", "client-ip", "true-client-ip"),
        *("x-cluster-client-ip", "x-proxyuser-ip", "x-scheme", "cdn-loop", "fastly-client-ip", "fly-client-ip"),
        *("x-azure-clientip", "x-arr-log-id", "x-varnish"),
    )
)
PREFIXES = ("x-forwarded", "x-original-", "x-envoy-", "cf-", "tailscale-")
"""Headers that reverse proxies, load balancers, tunnels and content networks add."""


def sign_of_proxy(scope: Scope) -> str | None:
    """Name what shows that a proxy passed a request on; None: nothing does.

    A proxy that adds no header leaves two traces: HTTP/1.0, which nginx before 1.29.7 speaks to the service and no
    current client does, and a page's address under another name than the one that the proxy asks for.
    """
    if scope["http_version"] == "1.0":
        return "HTTP/1.0"
    headers = Headers(scope=scope)
    for name in headers.keys():  # noqa: SIM118  # repeated names as well
        if name in NAMES or name.startswith(PREFIXES):
            return name.title()
    if headers.get("sec-fetch-site") == "same-origin":
        referer = headers.get("referer")
        if referer and place(referer).netloc != headers.get("host", ""):
            return "Referer"
    return None


def place(url: str) -> SplitResult:
    """The parts of an address; none of one that is not valid."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
