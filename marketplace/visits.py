"""Visits of a day: user, time, channel, category, and whether the visit ends in an order."""

from dataclasses import dataclass

import numpy as np

from marketplace.drift import Drift
from marketplace.habits import FAVOURITES, MEAN_FURTHER_LINES, Habits
from marketplace.population import Profiles
from marketplace.season import Season
from marketplace.state import NO_PLAN, State

CHANNELS = ("app", "web", "mobile web")
APP = 0
WEB_SHARE = 0.65  # share of visits by web among those not by app

MOST_LIKELY = 0.6  # maximum probability that a visit ends in an order
FAVOURITE_SHARE = 0.65  # share of visits that look for a favourite category
VISIT_TASTE_SPREAD = 0.3
MEAN_EVENTS, EVENTS_BEFORE_BUYING, LONGEST_VISIT = 9.0, 4, 40
MOST_FURTHER_LINES = 8

BUSY_HOURS = np.array([2, 1, 1, 1, 1, 2, 4, 6, 8, 9, 10, 10, 11, 10, 9, 9, 10, 12, 14, 16, 17, 15, 10, 5]) / 193
"""Share of visits by hour of their beginning."""


@dataclass(frozen=True)
class Visits:
    """Visits of a day. All arrays have shape (visits,).

    Attributes:
        user: index of the user.
        start: preferred first millisecond of the day; a visit that would not fit starts earlier.
        events: number of events.
        lines: number of order lines, whose cart events are the last of the visit; 0 without an order.
        category: index into CATEGORIES.
        taste: taste of the user on this visit.
        channel: index into CHANNELS.
    """

    user: np.ndarray
    start: np.ndarray
    events: np.ndarray
    lines: np.ndarray
    category: np.ndarray
    taste: np.ndarray
    channel: np.ndarray


def draw_visits(
    day: int,
    profiles: Profiles,
    habits: Habits,
    state: State,
    season: Season,
    drift: Drift,
    random: np.random.Generator,
) -> Visits:
    """Draw the visits of all users who are registered and have not left."""
    known = slice(0, int(np.searchsorted(profiles.registered_day, day, side="right")))
    rate = habits.visits[known] * state.visits(known) * np.float32(season.visits)
    rate[habits.leaves[known] <= day] = 0
    user = np.repeat(np.arange(len(rate), dtype=np.int32), random.poisson(rate))
    count = len(user)
    planned = state.planned(user, random.random(count, dtype=np.float32))
    category = np.where(planned == NO_PLAN, _categories(user, habits, season, random), planned)
    likely = habits.conversion[user] * state.conversion(user, planned) * season.conversion * drift.conversion(day)
    buys = random.random(count, dtype=np.float32) < np.minimum(likely, MOST_LIKELY)
    further = np.minimum(random.poisson(MEAN_FURTHER_LINES, count), MOST_FURTHER_LINES)
    lines = np.where(buys, 1 + further, 0).astype(np.int32)
    length = (MEAN_EVENTS * random.standard_exponential(count, dtype=np.float32)).astype(np.int32)
    events = np.minimum(1 + length + buys * EVENTS_BEFORE_BUYING + lines, LONGEST_VISIT).astype(np.int32)
    noise = np.float32(VISIT_TASTE_SPREAD) * random.standard_normal(count, dtype=np.float32)
    return Visits(
        user=user,
        start=_starts(count, random),
        events=events,
        lines=lines,
        category=drift.categories(day, category, random),
        taste=habits.taste[user] + noise,
        channel=_channels(habits.app_share[user], random),
    )


def _starts(count: int, random: np.random.Generator) -> np.ndarray:
    hour = np.searchsorted(np.cumsum(BUSY_HOURS), random.random(count))
    return np.minimum(hour, 23) * 3_600_000 + random.integers(0, 3_600_000, count)


def _categories(user: np.ndarray, habits: Habits, season: Season, random: np.random.Generator) -> np.ndarray:
    """Draw categories: a favourite, most often the first, or one by the season's interest."""
    count = len(user)
    place = (FAVOURITES * random.random(count) ** 1.5).astype(np.int8)
    suggested = draw_categories(season.interest, random.random(count))
    favours = random.random(count) < FAVOURITE_SHARE
    return np.where(favours, habits.favourites[user, place], suggested).astype(np.int32)


def draw_categories(interest: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Draw categories by their shares of the interest; `chance` is uniform on [0, 1).

    >>> draw_categories(np.array([0.5, 0.5]), np.array([0.2, 0.7])).tolist()
    [0, 1]
    """
    return np.minimum(np.searchsorted(np.cumsum(interest), chance, side="right"), len(interest) - 1)


def _channels(app_share: np.ndarray, random: np.random.Generator) -> np.ndarray:
    by_app = random.random(len(app_share), dtype=np.float32) < app_share
    by_web = random.random(len(app_share), dtype=np.float32) < WEB_SHARE
    return np.where(by_app, APP, np.where(by_web, 1, 2)).astype(np.int8)
