"""Behaviour against answers that are computed by hand or, for a random shop, by pandas."""

from datetime import date

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features import sequences
from features.build import build
from features.daily.events import catalogued_events, user_event_day
from features.daily.orders import categorised_lines, category_prices
from features.definitions import FEATURES, available
from features.families.behaviour import BEHAVIOUR
from features.schema import TABLES

SNAPSHOT = date(2024, 3, 1)
PRODUCTS = {
    "product_id": ["a", "b", "c"],
    "valid_from": pd.to_datetime(["1970-01-01"] * 3),
    "category": ["x", "x", "y"],
    "list_price": [1.0, np.e**3, 5.0],
}
ALL = {f"{table.name}.{column.name}" for table in TABLES.values() for column in table.columns}


def computed(tables, *names, snapshot=SNAPSHOT):
    chosen = [feature for feature in FEATURES if feature.name in names]
    assert len(chosen) == len(names)
    return build(tables, snapshot, chosen).to_pandas().set_index("user_id").sort_index()


@pytest.fixture(scope="module")
def shop(order_lines, events, daily, table):
    """One user who visited on three days and bought on one; v bought only, w visited only."""
    lines = order_lines(
        ("u", "2024-02-20", "a", 1, 1.0),
        ("u", "2024-02-20", "b", 1, np.e**2),
        ("v", "2024-02-15", "a", 1, 1.0),
        ("v", "2024-02-15", "b", 1, np.e**2),
        ("v", "2024-01-01", "c", 1, 5.0),
    )
    seen = events(
        ("u", "2024-02-10 23:00", "view", "a", "s1", 30.0),
        ("u", "2024-02-10 23:50", "cart", "a", "s1", None),
        ("u", "2024-02-20 12:00", "view", "b", "s2", 10.0),
        ("u", "2024-02-20 12:01", "search", None, "s2", 5.0),
        ("u", "2024-02-28 08:00", "view", "c", "s3", 1.0),
        ("u", "2024-02-28 09:00", "view", "c", "s4", 1.0),
        ("u", "2024-02-28 09:30", "tour", "c", "s4", 1.0),
        ("w", "2024-02-28 09:00", "view", "c", "s5", 1.0),
        ("u", "2024-03-01 00:00", "view", "a", "s6", 99.0),  # the snapshot itself: not seen
    )
    return daily(lines, table(**PRODUCTS), events=seen)


def test_totals_by_hand(shop):
    users = computed(
        shop, "visit_days_28d", "views_28d", "views_7d", "searches_28d", "carts_28d", "dwell_28d", "sessions_28d"
    )
    assert users.loc["u"].to_dict() == {
        "visit_days_28d": 3,
        "views_28d": 4,
        "views_7d": 2,
        "searches_28d": 1,
        "carts_28d": 1,
        "dwell_28d": 48,
        "sessions_28d": 4,
    }
    assert list(users.index) == ["u", "v"]  # w never bought
    assert (users.loc["v"] == 0).all()


def test_conversion_and_recency_by_hand(shop):
    names = ("orders_per_session_28d", "orders_per_cart_28d", "carts_per_view_28d", "days_since_last_visit")
    users = computed(shop, *names, "views_since_last_order", "carts_since_last_order", "views_trend_28d")
    assert users.loc["u"].to_dict() == {
        "orders_per_session_28d": 0.25,
        "orders_per_cart_28d": 1,
        "carts_per_view_28d": 0.25,
        "days_since_last_visit": 2,
        "views_since_last_order": 2,
        "carts_since_last_order": 0,
        "views_trend_28d": 1,
    }
    assert np.isnan(users.loc["v", "days_since_last_visit"])
    assert users.loc["v", "orders_per_session_28d"] == 0


def test_what_is_viewed_against_what_is_paid(shop):
    user = computed(shop, "viewed_price_level_28d", "price_level_28d", "viewed_price_gap_28d").loc["u"]
    # log prices paid in category x on 15 February: 0 and 2, mean 1, deviation 1; b is listed at 3. Of the other views,
    # the one of 10 February precedes all purchases, and category y has no two prices
    assert user.to_dict() == pytest.approx(
        {"viewed_price_level_28d": 2, "price_level_28d": 0, "viewed_price_gap_28d": 2}
    )


def test_a_view_on_a_day_without_purchases_is_compared_with_the_28_days_before(order_lines, events, daily, table):
    lines = order_lines(("v", "2024-02-01", "a", 1, 1.0), ("v", "2024-02-01", "b", 1, np.e**2))
    views = events(*((user, day, "view", "b", "s", 1.0) for user, day in (("v", "2024-02-29"), ("w", "2024-03-01"))))
    level = daily(lines, table(**PRODUCTS), events=views)["user_event_day"].to_pandas().set_index("user_id").view_level
    assert level["v"] == pytest.approx(2)
    assert np.isnan(level["w"])


def test_interest_by_hand(shop):
    user = computed(shop, "viewed_categories_28d", "top_viewed_category_share_28d").loc["u"]
    assert user.to_dict() == {"viewed_categories_28d": 2, "top_viewed_category_share_28d": 0.5}


def test_a_random_shop_against_pandas(random_lines, random_events, random_products, daily):
    frame, lines = random_events.to_pandas(), random_lines.to_pandas()
    end = pd.Timestamp(SNAPSHOT)
    buyers = lines[(pd.to_datetime(lines.day) < end) & (lines.quantity > 0)].user_id.unique()
    types = {"views": "view", "clicks": "click", "searches": "search", "carts": "cart", "favourites": "favourite"}
    expected = {}
    for window in (7, 28, 91):
        seen = frame[(frame.occurred_at < end) & (frame.occurred_at >= end - pd.Timedelta(days=window))]
        by_user = seen.groupby("user_id")
        expected |= {
            f"visit_days_{window}d": by_user.day.nunique(),
            f"dwell_{window}d": by_user.dwell_seconds.sum(),
            f"sessions_{window}d": seen.groupby(["user_id", "day"]).session_id.nunique().groupby("user_id").sum(),
        }
        for name, kind in types.items():
            expected[f"{name}_{window}d"] = seen[seen.event_type == kind].groupby("user_id").size()
    expected = pd.DataFrame(expected).reindex(sorted(buyers)).fillna(0).astype(float)
    found = computed(daily(random_lines, random_products, events=random_events), *expected.columns)
    pd.testing.assert_frame_equal(found[expected.columns], expected, check_names=False)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(snapshot=st.dates(date(2024, 1, 2), date(2024, 4, 29)))
def test_rows_from_any_snapshot_on_change_nothing(random_lines, random_events, random_products, daily, snapshot):
    def everything(lines, events, products):
        tables = daily(lines, products, events=events)
        features = [feature for feature in available(ALL) if feature.table != "users"]
        frame = build(tables, snapshot, features, sequences.SEQUENCES).to_pyarrow().to_pandas()
        return frame.sort_values("user_id", ignore_index=True)

    def past(rows):
        return rows.filter(rows.day < snapshot)

    later = random_products.mutate(
        valid_from=ibis.literal(snapshot).cast(random_products.valid_from.type()), list_price=1e6
    )
    pd.testing.assert_frame_equal(
        everything(random_lines, random_events, random_products.union(later)),
        everything(past(random_lines), past(random_events), random_products),
    )


def test_no_event_at_all(random_lines, random_events, random_products, daily):
    tables = daily(random_lines, random_products, events=random_events.filter(random_events.day < date(2000, 1, 1)))
    frame = build(tables, SNAPSHOT, BEHAVIOUR).to_pandas().set_index("user_id")
    known = frame.drop(columns=["days_since_last_visit", "views_trend_28d"])
    assert len(known) == 40
    assert (known == 0).all(axis=None)
    assert frame.days_since_last_visit.isna().all()


def test_optional_columns_may_be_absent(random_lines, random_events):
    bare = random_events.select("event_id", "user_id", "occurred_at", "event_type", "day")
    prices = category_prices(categorised_lines(random_lines, None))
    rows = user_event_day(catalogued_events(bare, None), prices).to_pandas()
    assert rows.views.sum() == (random_events.to_pandas().event_type == "view").sum()
    assert (rows[["dwell_seconds", "sessions", "view_level_views"]] == 0).all(axis=None)


def test_without_events_there_is_no_behaviour():
    given = {name for name in ALL if not name.startswith("events.")}
    assert not set(available(given)) & set(BEHAVIOUR)
    assert available(given) == tuple(feature for feature in FEATURES if feature not in BEHAVIOUR)


def test_behaviour_is_left_out_by_column():
    names = [feature.name for feature in available({"order_lines.amount", "events.event_type"})]
    assert "views_28d" in names
    assert not {"dwell_28d", "sessions_28d", "orders_per_session_28d", "viewed_categories_28d"}.intersection(names)
