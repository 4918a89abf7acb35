"""What is to be simulated, and where its random numbers come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """Independent streams of random numbers; those by day take the day as a second key."""

    CATALOGUE = 0
    USERS = 1
    OFFERS = 2
    STATE = 3
    VISITS = 4
    DIRT = 5


@dataclass(frozen=True)
class Plan:
    """A simulation; the same plan gives the same rows.

    Attributes:
        users: how many register by the end.
        days: how many days are simulated, numbered from 0.
        seed: 0 or more.
        start: date of day 0; it decides weekdays, seasons and campaigns.
        drift: kinds of `marketplace.drift`, each with the day from which on it holds.
        dirt: kinds of `marketplace.dirt`, each with the share of rows it spoils.
    """

    users: int
    days: int
    seed: int
    start: date
    drift: Mapping[str, int] = field(default_factory=dict)
    dirt: Mapping[str, float] = field(default_factory=dict)

    def random(self, stream: Stream, *keys: int) -> np.random.Generator:
        """A generator of its own for a stream, and a day where one is given.

        What one day draws never shifts what another draws, so a change from some day on leaves all days before it
        as they were.
        """
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(stream, *keys)))
