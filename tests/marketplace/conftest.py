"""A shop that is simulated once for all tests that only read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache

import pandas as pd
import pytest

from marketplace.dirt import Dirt
from marketplace.plan import Plan
from marketplace.shop import Day, Shop


@dataclass(frozen=True, eq=False)
class Simulated:
    plan: Plan
    shop: Shop
    days: list[Day]

    @cache  # noqa: B019 - a few simulations live as long as the tests anyway
    def frame(self, table: str) -> pd.DataFrame:
        """All days of events or order_lines with `arrived`, the number of the day; not to be changed."""
        frames = [getattr(day, table).to_pandas().assign(arrived=day.number) for day in self.days]
        return pd.concat(frames, ignore_index=True)


def run(
    users: int = 1500,
    days: int = 40,
    seed: int = 0,
    drift: Mapping[str, int] | None = None,
    dirt: Mapping[str, float] | None = None,
) -> Simulated:
    plan = Plan(users, days, seed, date(2024, 1, 1), drift or {}, dirt or {})
    shop = Shop(plan)
    return Simulated(plan, shop, list(Dirt(plan).days(shop.days())))


@pytest.fixture(scope="session")
def simulate():
    """Simulate a plan given by its parts."""
    return run


@pytest.fixture(scope="session")
def long_shop() -> Simulated:
    """Four months of 3,000 users."""
    return run(users=3000, days=120)
