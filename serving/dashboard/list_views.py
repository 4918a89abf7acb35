"""What the page of a list of users is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.predictions import TIERS
from serving.dashboard.listing import Listing, listing
from serving.dashboard.population import Population
from serving.dashboard.segments import MOVEMENTS, NEW, Segment, segment_of

if TYPE_CHECKING:
    from serving.dashboard.context import Dashboard


@dataclass(frozen=True)
class Listed:
    """The page of a list: its filters, and the users of one page in their order.

    Attributes:
        population: of the newest scored snapshot.
        segment: filters, order and page.
        found: the users.
        movements, tiers_before: what the form offers.
    """

    population: Population
    segment: Segment
    found: Listing
    movements: tuple[str, ...] = MOVEMENTS
    tiers_before: tuple[str, ...] = (*TIERS, NEW)


def listed(dashboard: "Dashboard", query: Mapping[str, str]) -> Listed:
    """Read a page of the users that an address asks for.

    Raises:
        UnknownChoice: a value that nobody can have.
        PurseError: nobody has been scored yet.
    """
    population = dashboard.populations.newest()
    segment = segment_of(query, population)
    return Listed(population, segment, listing(population, dashboard.settings, segment))
