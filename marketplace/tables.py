"""Arrow tables of users, products and the hidden truth, and their columns of times and words."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from marketplace.catalogue import BRANDS, CATEGORIES, Catalogue
from marketplace.drift import Drift
from marketplace.habits import Habits
from marketplace.plan import Plan
from marketplace.population import CITIES, GENDERS, OCCUPATIONS, Profiles

INSTANT = pa.timestamp("us", tz="UTC")
A_DAY = 86_400_000_000  # microseconds


def midnight(plan: Plan, day: int) -> int:
    """Beginning of a day, in microseconds since 1970 (UTC).

    >>> midnight(Plan(users=1, days=1, seed=0, start=date(1970, 1, 2)), day=1) == 2 * A_DAY
    True
    """
    return ((plan.start - date(1970, 1, 1)) // timedelta(days=1) + day) * A_DAY


def instants(beginning: int, milliseconds: np.ndarray) -> pa.Array:
    """Time stamps: `milliseconds` after `beginning`, which is in microseconds since 1970.

    >>> instants(0, np.array([1500]))[0].as_py().isoformat()
    '1970-01-01T00:00:01.500000+00:00'
    """
    return pa.array(beginning + 1000 * milliseconds.astype(np.int64)).cast(INSTANT)


def words(index: np.ndarray, dictionary: Sequence[str], missing: np.ndarray | None = None) -> pa.DictionaryArray:
    """Text column from indexes into a list; null where `missing`.

    >>> words(np.array([1, 0]), ("a", "b"), missing=np.array([False, True])).to_pylist()
    ['b', None]
    """
    return pa.DictionaryArray.from_arrays(pa.array(index, mask=missing), pa.array(dictionary, pa.string()))


def users_table(plan: Plan, profiles: Profiles) -> pa.Table:
    """Table of users as the shop knows them; `valid_from` is null for users who registered before day 0."""
    registered = midnight(plan, 0) + A_DAY * profiles.registered_day.astype(np.int64)
    registered += 1_000_000 * profiles.registered_second.astype(np.int64)
    return pa.table(
        {
            "user_id": np.arange(1, plan.users + 1),
            "registered_at": pa.array(registered).cast(INSTANT),
            "valid_from": pa.array(registered, mask=profiles.registered_day < 0).cast(INSTANT),
            "age": profiles.age,
            "gender": words(profiles.gender, GENDERS),
            "occupation": words(profiles.occupation, list(OCCUPATIONS)),
            "city": words(profiles.city, list(CITIES)),
        }
    )


def products_table(plan: Plan, catalogue: Catalogue, drift: Drift) -> pa.Table:
    """Table of products; a price rise adds a second version of each. `valid_from` is null for the first version."""
    versions = [_products(catalogue, catalogue.list_price, None)]
    if drift.price_rise is not None and drift.price_rise < plan.days:
        raised = list_prices(catalogue, drift, drift.price_rise)
        versions.append(_products(catalogue, raised, midnight(plan, drift.price_rise)))
    return pa.concat_tables(versions)


def list_prices(catalogue: Catalogue, drift: Drift, day: int) -> np.ndarray:
    """List prices on a day, in EUR; shape (products,)."""
    return np.round(catalogue.list_price * drift.price_factor(day), 2)


def truth_table(profiles: Profiles, habits: Habits) -> pa.Table:
    """Table of what the shop does not know: budget (EUR in 28 days), share spent here, taste, and day of leaving.

    `left_on_day` counts from day 0 and can lie after the last day.
    """
    return pa.table(
        {
            "user_id": np.arange(1, len(profiles.budget) + 1),
            "budget": np.round(profiles.budget.astype(float), 2),
            "wallet_share": habits.wallet_share,
            "taste": habits.taste,
            "left_on_day": habits.leaves,
        }
    )


def _products(catalogue: Catalogue, prices: np.ndarray, valid_from: int | None) -> pa.Table:
    count = len(prices)
    return pa.table(
        {
            "product_id": np.arange(1, count + 1),
            "valid_from": pa.array([valid_from] * count, pa.int64()).cast(INSTANT),
            "category": words(catalogue.category, [c.name for c in CATEGORIES]),
            "brand": words(catalogue.brand, BRANDS),
            "list_price": prices,
            "unit_cost": catalogue.unit_cost,
        }
    )
