"""The picture of some users: how many in which tier, with which score, and where they came from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp
from typing import Any

from models.predictions import TIERS

BUCKETS = 20
"""Bars of the score's distribution, each of 5 points."""


@dataclass(frozen=True)
class Picture:
    """Counts of the chosen users; `spend` is expected spend, in money.

    Attributes:
        users: how many.
        spend: of all of them.
        tiers: tier, users and spend, from the highest tier.
        distribution: users by tier, one number for each of BUCKETS.
        moves: users by (tier at the snapshot before or None, tier now).
        squares: sum of squared expected spend.
        squares_over_chance: the same, each divided by the chance to buy.
        nothing: chance that nobody buys.
    """

    users: int
    spend: float
    tiers: tuple[tuple[str, int, float], ...]
    distribution: Mapping[str, list[int]]
    moves: Mapping[tuple[str | None, str], int]
    squares: float = 0.0
    squares_over_chance: float = 0.0
    nothing: float = 1.0


def picture_of(cells: Iterable[Mapping[str, Any]]) -> Picture:
    """Add up counted cells: tier, tier_before (None: not known then), bucket, users, spend and `population.SUMS`."""
    tiers: dict[str, list[float]] = {tier: [0, 0.0] for tier in TIERS}
    distribution = {tier: [0] * BUCKETS for tier in tiers}
    moves: dict[tuple[str | None, str], int] = {}
    squares = over_chance = log_nothing = 0.0
    for cell in cells:
        squares, over_chance = squares + cell["squares"], over_chance + cell["squares_over_chance"]
        log_nothing += cell["log_nothing"]
        tier, users = cell["tier"], int(cell["users"])
        tiers[tier][0] += users
        tiers[tier][1] += cell["spend"] or 0.0
        distribution[tier][cell["bucket"]] += users
        move = (cell["tier_before"], tier)
        moves[move] = moves.get(move, 0) + users
    return Picture(
        users=int(sum(users for users, _ in tiers.values())),
        spend=sum(spend for _, spend in tiers.values()),
        tiers=tuple((tier, int(users), spend) for tier, (users, spend) in tiers.items()),
        distribution=distribution,
        moves=moves,
        squares=squares,
        squares_over_chance=over_chance,
        nothing=exp(log_nothing),
    )
