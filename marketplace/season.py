"""Effect of the calendar on a day: weekdays, seasons and campaigns."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np

from marketplace.catalogue import CATEGORIES, PRODUCTS_PER_CATEGORY
from marketplace.plan import Plan, Stream

WEEKDAYS = (0.96, 0.94, 0.95, 0.97, 0.99, 1.06, 1.13)
"""Visits by weekday relative to the mean day, Monday first."""

YEARLY_SWING = 0.12
YEARLY_PEAK = 350  # day of the year
DAYS_A_YEAR = 365.25
DAYS_A_MONTH = DAYS_A_YEAR / 12


class Campaign(NamedTuple):
    """A campaign that runs every year.

    Attributes:
        name: name of the campaign.
        month: month of the first day.
        day: day of the month of the first day.
        days: length in days.
        visits: factor on visits.
        conversion: factor on the probability that a visit ends in an order.
        discount: share of the list price taken off offered products.
        offered: share of products on offer.
    """

    name: str
    month: int
    day: int
    days: int
    visits: float
    conversion: float
    discount: float
    offered: float


CAMPAIGNS = (
    Campaign("winter sale", 1, 8, 14, 1.10, 1.20, 0.25, 0.35),
    Campaign("spring days", 3, 20, 7, 1.10, 1.10, 0.15, 0.30),
    Campaign("summer sale", 7, 1, 14, 1.10, 1.20, 0.25, 0.35),
    Campaign("back to school", 8, 25, 10, 1.05, 1.05, 0.10, 0.20),
    Campaign("black week", 11, 22, 8, 1.40, 1.35, 0.30, 0.50),
    Campaign("christmas", 12, 10, 12, 1.20, 1.15, 0.10, 0.20),
)


@dataclass(frozen=True)
class Season:
    """Effects on all users on one day.

    Attributes:
        visits: factor on visits.
        conversion: factor on the probability that a visit ends in an order.
        discounts: shape (products,); share of the list price.
        interest: shape (categories,); share of visits that look for it, sums to 1.
    """

    visits: float
    conversion: float
    discounts: np.ndarray
    interest: np.ndarray


def season(plan: Plan, day: int) -> Season:
    """Season on a day of the plan."""
    today = plan.start + timedelta(days=day)
    running = campaign(today)
    products = len(CATEGORIES) * PRODUCTS_PER_CATEGORY
    discounts = np.zeros(products)
    if running:
        drawn = plan.random(Stream.OFFERS, CAMPAIGNS.index(running), today.year).random(products)
        discounts[drawn < running.offered] = running.discount
    yearly = 1 + YEARLY_SWING * _wave(today, YEARLY_PEAK)
    return Season(
        visits=WEEKDAYS[today.weekday()] * yearly * (running.visits if running else 1),
        conversion=running.conversion if running else 1,
        discounts=discounts,
        interest=_interest(today),
    )


def campaign(today: date) -> Campaign | None:
    """Campaign that runs on a date; None without one. Campaigns never overlap.

    >>> campaign(date(2024, 11, 29)).name
    'black week'
    """
    for yearly in CAMPAIGNS:
        first = date(today.year, yearly.month, yearly.day)
        if first <= today < first + timedelta(days=yearly.days):
            return yearly
    return None


def _interest(today: date) -> np.ndarray:
    weights = [c.weight * (1 + c.swing * _wave(today, (c.peak_month - 0.5) * DAYS_A_MONTH)) for c in CATEGORIES]
    return np.array(weights) / sum(weights)


def _wave(today: date, peak: float) -> float:
    """Cosine with a period of a year: 1 on the day of the peak, -1 half a year from it."""
    return float(np.cos(2 * np.pi * (today.timetuple().tm_yday - peak) / DAYS_A_YEAR))
