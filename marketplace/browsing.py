"""Events of a day's visits: searches, views, clicks, favourites and carts, ordered by time."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from features.schema import EVENT_TYPES
from marketplace.catalogue import CATEGORIES, draw_products
from marketplace.habits import TASTE_SPREAD, Habits
from marketplace.population import Profiles
from marketplace.season import Season
from marketplace.tables import instants, words
from marketplace.visits import APP, CHANNELS, Visits, draw_categories

VIEW, CLICK, SEARCH, CART, FAVOURITE = range(len(EVENT_TYPES))  # positions in EVENT_TYPES
SEARCH_SHARE, CLICK_SHARE, FAVOURITE_SHARE = 0.13, 0.22, 0.04
CART_SHARE, CART_SHARE_BY_CONVERSION = 0.02, 0.25
"""Share of events that put an item into the cart without buying it, and its increase with the user's conversion."""

STRAY_SHARE = 0.15
"""Share of events in another category than the visit's; the last bought item is never one of them."""

MEDIAN_DWELL, DWELL_SPREAD, LONGEST_DWELL = 18.0, 1.0, 600.0  # seconds
LAST_MILLISECOND = 86_399_999
WORDINGS = ("günstig {}", "{}", "{} premium")
WORDING_LIMITS = (-0.8, 0.8)
"""Taste below which a query asks for cheap items, and above which it asks for premium items."""

QUERIES = tuple(wording.format(query) for c in CATEGORIES for query in c.queries for wording in WORDINGS)
TIME_BITS = 27  # enough for the milliseconds of a day


@dataclass(frozen=True)
class Events:
    """Events of a day, ordered by visit and, within a visit, by time. All arrays have shape (events,).

    Attributes:
        visit: index of the visit.
        time: millisecond of the day.
        type: index into EVENT_TYPES.
        product: index of the product; searches have one too, but do not record it.
        dwell: whole seconds until the next event.
        query: index into QUERIES; only searches record it.
        bought: whether the cart event becomes an order line.
    """

    visit: np.ndarray
    time: np.ndarray
    type: np.ndarray
    product: np.ndarray
    dwell: np.ndarray
    query: np.ndarray
    bought: np.ndarray


def draw_events(
    day: int, visits: Visits, profiles: Profiles, habits: Habits, season: Season, random: np.random.Generator
) -> Events:
    """Draw the events of each visit. A visit ends on the day on which it begins.

    Args:
        day: number of the day.
        visits: visits of the day.
        profiles: profiles of all users.
        habits: habits of all users.
        season: season of the day.
        random: generator of the day.
    """
    visit = np.repeat(np.arange(len(visits.user), dtype=np.int32), visits.events)
    count = len(visit)
    ends = np.cumsum(visits.events, dtype=np.int64)
    to_the_end = np.repeat(ends, visits.events) - np.arange(count)
    bought = to_the_end <= visits.lines[visit]
    kind = _types(habits.conversion[visits.user][visit], random.random(count, dtype=np.float32))
    kind[bought] = CART
    stray = (random.random(count, dtype=np.float32) < STRAY_SHARE) & ~(bought & (to_the_end == 1))
    category = visits.category[visit]
    category[stray] = draw_categories(season.interest, random.random(int(stray.sum())))
    taste = visits.taste[visit] + np.float32(TASTE_SPREAD) * random.standard_normal(count, dtype=np.float32)
    taste += np.where(bought, np.float32(0), habits.aspiration[visits.user][visit])
    dwell = np.exp(np.float32(DWELL_SPREAD) * random.standard_normal(count, dtype=np.float32))
    dwell = np.clip(np.float32(MEDIAN_DWELL) * dwell, 1, LONGEST_DWELL).astype(np.int32)
    return Events(
        visit=visit,
        time=_times(day, visits, profiles, dwell, ends),
        type=kind,
        product=draw_products(category, taste, random),
        dwell=dwell,
        query=_queries(category, taste, random),
        bought=bought,
    )


def tracked(events: Events, visits: Visits, *, broken: bool) -> np.ndarray:
    """Indexes of the events that the shop records, ordered by time; ties are ordered by visit.

    Args:
        events: events of the day.
        visits: visits of the day.
        broken: whether the app's cart events are lost.
    """
    # one integer per event with the time in its high bits: sorting integers is faster than sorting by two keys
    index_bits = 63 - TIME_BITS
    keys = np.sort((events.time << index_bits) | np.arange(len(events.time), dtype=np.int64))
    order = keys & ((1 << index_bits) - 1)
    if broken:
        order = order[(visits.channel[events.visit[order]] != APP) | (events.type[order] != CART)]
    return order


def events_table(
    day: int, midnight: int, events: Events, visits: Visits, order: np.ndarray, *, broken: bool
) -> pa.Table:
    """Table of the recorded events as the shop would export them.

    Args:
        day: number of the day.
        midnight: beginning of the day, in microseconds since 1970.
        events: events of the day.
        visits: visits of the day.
        order: indexes of the recorded events, see `tracked`.
        broken: whether dwell times of the app are missing.
    """
    visit, kind = events.visit[order], events.type[order]
    channel = visits.channel[visit]
    searches = kind == SEARCH
    number = day * 100_000_000 + 1
    return pa.table(
        {
            "event_id": np.arange(number, number + len(order)),
            "user_id": visits.user[visit] + 1,
            "occurred_at": instants(midnight, events.time[order]),
            "event_type": words(kind, EVENT_TYPES),
            "product_id": pa.array(events.product[order] + 1, mask=searches),
            "session_id": visit + np.int64(number),
            "dwell_seconds": pa.array(events.dwell[order], mask=(channel == APP) if broken else None),
            "query": words(events.query[order], QUERIES, missing=~searches),
            "channel": words(channel, CHANNELS),
        }
    )


def _types(conversion: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Draw event types of events that do not buy; `chance` is uniform on [0, 1)."""
    carts = np.float32(CART_SHARE) + np.float32(CART_SHARE_BY_CONVERSION) * conversion
    kind = np.full(len(chance), VIEW, np.int8)
    fixed = SEARCH_SHARE + CLICK_SHARE + FAVOURITE_SHARE
    kind[chance < fixed + carts] = CART
    kind[chance < fixed] = FAVOURITE
    kind[chance < SEARCH_SHARE + CLICK_SHARE] = CLICK
    kind[chance < SEARCH_SHARE] = SEARCH
    return kind


def _times(day: int, visits: Visits, profiles: Profiles, dwell: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Milliseconds of the day; an event begins when the dwell time of the previous one ends."""
    passed = np.cumsum(dwell, dtype=np.int64)
    before = np.concatenate([[0], passed])[ends - visits.events]
    duration = 1000 * (np.concatenate([[0], passed])[ends] - before)
    registered = profiles.registered_day[visits.user] == day
    earliest = np.where(registered, 1000 * (profiles.registered_second[visits.user] + 1), 0)
    start = np.clip(visits.start, earliest, LAST_MILLISECOND - duration)
    return np.repeat(start - 1000 * before, visits.events) + 1000 * (passed - dwell)


def _queries(category: np.ndarray, taste: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draw one of the category's queries, worded by taste; indexes into QUERIES."""
    low, high = WORDING_LIMITS
    wording = (taste > low).astype(np.int16) + (taste > high)
    which = random.integers(0, 2, len(category), dtype=np.int16)
    return (category.astype(np.int16) * 2 + which) * np.int16(len(WORDINGS)) + wording
