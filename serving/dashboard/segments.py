"""Which users a page is about, read from its address: filters, order and page of the list."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from urllib.parse import urlencode

from models.predictions import TIERS
from serving.dashboard.language import _
from serving.dashboard.population import ATTRIBUTES, Choice, Population
from serving.dashboard.problems import UnknownChoice

RANGES = {"score": ("score", 1.0), "chance": ("purchase_probability", 0.01), "days": ("days_since_last_order", 1.0)}
"""Column of each range, and what a typed 1 means in it: a chance is typed in per cent."""

NEW = "new"
"""Tier before of a user without a score in the snapshot before."""

MOVEMENTS = ("moved", "up", "down", "stayed", NEW)
SORTS = {
    "user": "user_id",
    "spend": "expected_spend",
    "chance": "purchase_probability",
    "score": "score",
    "change": "change",
    "days": "days_since_last_order",
}
"""Column of each order; "-" before its name: the largest first."""

MOST_PAGES = 10_000


@dataclass(frozen=True)
class Segment:
    """Chosen users in an order.

    Attributes:
        choice: columns and the value each must have.
        movement: of MOVEMENTS; "": any.
        tier_before: a tier or NEW; "": any.
        limits: by "NAME_from" (inclusive) and "NAME_to" (exclusive), with NAME of RANGES.
        sort: of SORTS, with "-" for the largest first.
        page: from 1 on.
    """

    choice: Choice
    movement: str = ""
    tier_before: str = ""
    limits: Mapping[str, float] = field(default_factory=dict)
    sort: str = "-spend"
    page: int = 1

    @property
    def filters(self) -> dict[str, str]:
        """The filters as they stand in an address."""
        chosen = {"movement": self.movement, "tier_before": self.tier_before}
        limits = {name: f"{value:g}" for name, value in self.limits.items()}
        return {**self.choice, **{name: value for name, value in chosen.items() if value}, **limits}

    def query(self, **changes: object) -> str:
        """Address of this list, with some filters, the order or the page changed."""
        others = {"sort": self.sort, **({"page": self.page} if "page" in changes else {})}
        return urlencode({**self.filters, **others, **changes})

    @property
    def everybody(self) -> bool:
        """Whether nothing is filtered."""
        return not self.filters


def choice_of(query: Mapping[str, str]) -> dict[str, str]:
    """Filters by tier and attributes; an empty one chooses everybody, and other parameters are nobody's business."""
    return {name: query[name] for name in (*ATTRIBUTES, "tier") if query.get(name)}


def segment_of(query: Mapping[str, str], population: Population) -> Segment:
    """Read the filters of an address.

    Raises:
        UnknownChoice: a value that nobody can have; the message names those there are.
    """
    choice = choice_of(query)
    population.require(choice)
    sort = query.get("sort") or "-spend"
    _one_of(_("order"), sort.removeprefix("-"), SORTS)
    page = query.get("page") or "1"
    if not page.isascii() or not page.isdigit():
        raise UnknownChoice(_("Expected a page number from 1 on, found '%(value)s'.", value=page[:20]))
    found = Segment(choice, limits=_limits(query), sort=sort, page=min(max(int(page[:9]), 1), MOST_PAGES))
    if population.before is None:
        return found
    movement, before = query.get("movement") or "", query.get("tier_before") or ""
    _one_of(_("movement"), movement, ("", *MOVEMENTS))
    _one_of(_("tier before"), before, ("", *TIERS, NEW))
    return replace(found, movement=movement, tier_before=before)


def link(choice: Choice, **more: object) -> str:
    """Address of the list of these users, relative to every page."""
    query = urlencode({**choice, **more})
    return f"list?{query}" if query else "list"


def _limits(query: Mapping[str, str]) -> dict[str, float]:
    limits = {}
    for name in (f"{name}_{side}" for name in RANGES for side in ("from", "to")):
        text = (query.get(name) or "").strip().replace(",", ".")
        if not text:
            continue
        try:
            limits[name] = float(text)
        except ValueError:
            limits[name] = float("nan")
        if not isfinite(limits[name]):
            raise UnknownChoice(_("Expected a number for %(name)s, found '%(value)s'.", name=name, value=text[:20]))
    return limits


def _one_of(what: str, value: str, known: Mapping[str, str] | tuple[str, ...]) -> None:
    if value not in known:
        named = ", ".join(one for one in known if one)
        text = _("No user has the %(what)s '%(value)s'. Choose one of: %(known)s.")
        raise UnknownChoice(text % {"what": what, "value": value[:60], "known": named})
