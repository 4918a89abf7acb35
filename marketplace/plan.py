"""Plan of a simulation, and its random numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """Independent streams of random numbers; streams by day take the day as a second key."""

    CATALOGUE = 0
    USERS = 1
    OFFERS = 2
    STATE = 3
    VISITS = 4
    DIRT = 5


@dataclass(frozen=True)
class Plan:
    """Plan of a simulation; the same plan gives the same rows.

    >>> plan = Plan(users=10, days=7, seed=0, start=date(2024, 1, 1))
    >>> plan.random(Stream.VISITS, 3).random() == plan.random(Stream.VISITS, 3).random()
    True

    Attributes:
        users: number of users who register by the end.
        days: number of simulated days, numbered from 0.
        seed: seed of all random numbers, 0 or more.
        start: date of day 0; it decides weekdays, seasons and campaigns.
        drift: first day of each kind of drift, see `marketplace.drift.KINDS`.
        dirt: share of rows that each kind of dirt spoils, see `marketplace.dirt.KINDS`.
    """

    users: int
    days: int
    seed: int
    start: date
    drift: Mapping[str, int] = field(default_factory=dict)
    dirt: Mapping[str, float] = field(default_factory=dict)

    def random(self, stream: Stream, *keys: int) -> np.random.Generator:
        """Create the generator of a stream and, if given, a day.

        Each day has its own generator, so a change from some day on leaves all earlier days as they were.
        """
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(stream, *keys)))
