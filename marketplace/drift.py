"""Drift: changes of the shop from a known day on. Earlier days are identical to those without drift."""

from dataclasses import dataclass

import numpy as np

from marketplace.catalogue import CATEGORIES

PRICE_RISE = 0.15
CONVERSION_AFTER_RISE = 0.92
MIX_SHARE = 0.4
MIX_CATEGORIES = ("groceries", "household", "pets")

KINDS = {
    "price_rise": f"list prices rise by {PRICE_RISE:.0%}, {1 - CONVERSION_AFTER_RISE:.0%} fewer visits end in an order",
    "mix_change": f"{MIX_SHARE:.0%} of the visits switch to {', '.join(MIX_CATEGORIES)}",
    "broken_tracking": "the app no longer sends cart events and dwell times",
}
"""Kinds of drift and their effect."""


@dataclass(frozen=True)
class Drift:
    """First day of each kind of drift; None: it never happens.

    Attributes:
        price_rise: first day with the new prices.
        mix_change: first day with the new interest.
        broken_tracking: first day without the app's carts and dwell times.
    """

    price_rise: int | None = None
    mix_change: int | None = None
    broken_tracking: int | None = None

    def price_factor(self, day: int) -> float:
        """Factor on the catalogue's list prices.

        >>> Drift(price_rise=5).price_factor(4), Drift(price_rise=5).price_factor(5)
        (1.0, 1.15)
        """
        return 1 + PRICE_RISE if _holds(self.price_rise, day) else 1.0

    def conversion(self, day: int) -> float:
        """Factor on the probability that a visit ends in an order."""
        return CONVERSION_AFTER_RISE if _holds(self.price_rise, day) else 1.0

    def categories(self, day: int, categories: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Replace the categories of some visits from the day of `mix_change` on."""
        if not _holds(self.mix_change, day):
            return categories
        cheap = np.array([i for i, category in enumerate(CATEGORIES) if category.name in MIX_CATEGORIES], np.int32)
        turned = random.random(len(categories)) < MIX_SHARE
        return np.where(turned, random.choice(cheap, len(categories)), categories)

    def tracking_is_broken(self, day: int) -> bool:
        """Whether the app's cart events and dwell times are missing."""
        return _holds(self.broken_tracking, day)


def _holds(first: int | None, day: int) -> bool:
    return first is not None and day >= first
