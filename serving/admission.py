"""Admission of requests: a bounded number is worked on, and the others are refused at once.

Without a bound every request of an overloaded service waits for all before it, until its client has given up, and the
service works for nobody. Reads have more places than writes, and writes more than pages, so that under load the scores
of a shop's pages go on longest.
"""

from typing import Literal, get_args

from prometheus_client import Counter

Kind = Literal["read", "write", "page", "always"]
"""`always`: requests that are never refused."""

SHARES = {"read": 1.0, "write": 0.5, "page": 0.25, "always": float("inf")}
"""Share of the places that may be taken when a request of a kind is admitted."""

WRITES = (b"/v1/events", b"/v1/orders")
READS = (b"/v1/", b"/readyz", b"/metrics", b"/openapi.json")
ALWAYS = (b"/healthz", b"/v1/admin/")


def kind_of(target: bytes) -> Kind:
    """Kind of a request by its target, a path with or without a query.

    >>> kind_of(b"/v1/users/7/score?cold_start=true"), kind_of(b"/v1/orders"), kind_of(b"/healthz"), kind_of(b"/trust")
    ('read', 'write', 'always', 'page')
    """
    path = target.partition(b"?")[0]
    if path.startswith(ALWAYS):
        return "always"
    if path in WRITES:
        return "write"
    return "read" if path.startswith(READS) else "page"


class Admission:
    """Places of the requests that a service works on.

    Args:
        places: maximum number of reads that are worked on at once.
        refused: counts refused requests by kind.

    >>> admission = Admission(4, Counter("refused", "Refused requests.", ["kind"], registry=None))
    >>> [admission.enter("read") for _ in range(3)], admission.enter("write"), admission.enter("always")
    ([True, True, True], False, True)
    """

    def __init__(self, places: int, refused: Counter) -> None:
        self._places = {kind: places * share for kind, share in SHARES.items()}
        self._refused = {kind: refused.labels(kind) for kind in get_args(Kind)}
        self.taken = 0

    def enter(self, kind: Kind) -> bool:
        """Take a place; False: none is free for this kind."""
        if self.taken >= self._places[kind]:
            self._refused[kind].inc()
            return False
        self.taken += 1
        return True

    def leave(self, requests: int = 1) -> None:
        """Free the places of requests that ended."""
        self.taken -= requests
