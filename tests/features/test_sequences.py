"""Sequences against hand-made answers and, for a random shop, pandas."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from features.definitions import FEATURES
from features.sequences import OF_ORDERS, SEQUENCES, available, build

SNAPSHOT = date(2024, 3, 1)


def computed(user_day, steps=32, snapshot=SNAPSHOT):
    return build(user_day, snapshot, steps=steps).to_pyarrow().to_pandas().set_index("user_id").sort_index()


def test_three_actions_by_hand(order_lines, daily, table):
    lines = order_lines(
        ("u", "2024-01-01", "a", 2, 20.0),
        ("u", "2024-01-01", "b", 1, 5.0),
        ("u", "2024-01-11", "a", -1, -10.0),
        ("u", "2024-02-29", "a", 3, 30.0),
        ("v", "2024-02-20", "a", 1, 1.0),
        ("v", "2024-02-20", "b", 1, np.e**2),
    )
    products = table(product_id=["a", "b"], valid_from=pd.to_datetime(["1970-01-01"] * 2), category=["x", "x"])
    user = computed(daily(lines, products)["user_day"]).loc["u"]
    assert user.map(list).to_dict() == {
        "sequence_age": [60, 50, 1],
        "sequence_gap": [0, 10, 49],
        "sequence_spend": [25, -10, 30],
        "sequence_units": [3, -1, 3],
        "sequence_lines": [2, 1, 1],
        # nothing to compare with, then a return, then 10 where log prices are 1 on average, with a deviation of 1
        "sequence_price_level": pytest.approx([0, 0, np.log(10) - 1]),
    }


def test_the_newest_actions_are_kept_and_the_first_of_them_knows_its_gap(order_lines, daily):
    lines = order_lines(*(("u", f"2024-02-{day:02}", "a", 1, float(day)) for day in (1, 4, 9, 16)))
    user = computed(daily(lines)["user_day"], steps=2).loc["u"]
    assert list(user.sequence_spend) == [9, 16]
    assert list(user.sequence_gap) == [5, 7]


def test_actions_are_forgotten_after_364_days(order_lines, daily):
    lines = order_lines(
        ("u", "2023-03-03", "a", 1, 9.0), ("u", "2023-03-04", "a", 1, 7.0), ("v", "2023-01-01", "a", 1, 1.0)
    )
    found = computed(daily(lines)["user_day"], snapshot=date(2024, 3, 2))
    assert found.map(list).loc["u", ["sequence_age", "sequence_gap", "sequence_spend"]].to_list() == [[364], [0], [7]]
    assert list(found.index) == ["u"]


def test_nobody(order_lines, daily):
    assert computed(daily(order_lines(("u", "2024-03-01", "a", 1, 1.0)))["user_day"]).empty


@pytest.mark.parametrize("steps", [3, 32])
def test_a_random_shop_against_pandas(random_lines, daily, steps):
    found = computed(daily(random_lines)["user_day"], steps, date(2024, 4, 1))
    lines = random_lines.to_pandas()
    lines = lines[pd.to_datetime(lines.day) < "2024-04-01"]
    days = lines.groupby(["user_id", "day"], as_index=False).agg(
        spend=("amount", "sum"), units=("quantity", "sum"), lines=("line", "count")
    )
    age = (pd.Timestamp("2024-04-01") - pd.to_datetime(days.day)).dt.days
    days = days.assign(age=age, gap=(age.groupby(days.user_id).shift() - age).fillna(0)).sort_values(["user_id", "day"])
    expected = days.groupby("user_id").tail(steps).groupby("user_id")
    for measure in ("age", "gap", "spend", "units", "lines"):
        for user, values in expected[measure]:
            np.testing.assert_allclose(found.loc[user, f"sequence_{measure}"], values, rtol=1e-6, atol=1e-5)
    assert list(found.index) == sorted(expected.groups)


def test_a_later_snapshot_ages_every_action_alike(random_lines, daily):
    user_day, later = daily(random_lines)["user_day"], date(2024, 9, 1)
    one, other = computed(user_day, snapshot=later), computed(user_day, snapshot=later + timedelta(days=7))
    for column in one:
        moved = 7 if column == "sequence_age" else 0
        np.testing.assert_array_equal(np.concatenate(list(other[column])), np.concatenate(list(one[column])) + moved)


def test_what_the_source_lacks_is_left_out():
    names = [channel.name for channel in available({"order_lines.amount"})]
    assert "sequence_spend" in names
    assert "sequence_price_level" not in names
    of_orders = available({"order_lines.amount", "order_lines.unit_price", "products.category"})
    assert of_orders == OF_ORDERS


def test_names_say_what_they_are_and_are_no_features():
    assert all(channel.name.startswith("sequence_") for channel in SEQUENCES)
    assert not any(feature.name.startswith("sequence_") for feature in FEATURES)


def test_days_with_orders_and_days_with_events_are_actions_of_one_list(order_lines, events, daily):
    lines = order_lines(
        ("u", "2024-01-10", "a", 2, 20.0), ("u", "2024-02-01", "a", 1, 5.0), ("v", "2024-02-01", "a", 1, 1.0)
    )
    seen = events(
        ("u", "2024-01-10 10:00", "view", "a", "s", 30.0),
        ("u", "2024-01-12 10:00", "view", "a", "s", 1.0),
        ("u", "2024-01-12 10:00", "cart", "a", "s", 2.0),
        ("w", "2024-02-29 10:00", "search", None, "s", None),
    )
    tables = daily(lines, events=seen)
    found = build(tables["user_day"], SNAPSHOT, SEQUENCES, events=tables["user_event_day"]).to_pyarrow().to_pandas()
    users = found.set_index("user_id").map(list)
    chosen = ["sequence_age", "sequence_gap", "sequence_spend", "sequence_views", "sequence_carts", "sequence_dwell"]
    assert users.loc["u", chosen].to_dict() == {
        "sequence_age": [51, 49, 29],
        "sequence_gap": [0, 2, 20],
        "sequence_spend": [20, 0, 5],
        "sequence_views": [1, 1, 0],
        "sequence_carts": [0, 1, 0],
        "sequence_dwell": [30, 3, 0],
    }
    assert users.loc["v", "sequence_views"] == [0]
    assert users.loc["w", ["sequence_searches", "sequence_units"]].tolist() == [[1], [0]]


@pytest.mark.parametrize("steps", [1, 5, 32])
def test_mixed_actions_of_a_random_shop_against_pandas(random_lines, random_events, daily, steps):
    tables = daily(random_lines, events=random_events)
    found = build(tables["user_day"], SNAPSHOT, SEQUENCES, steps, tables["user_event_day"]).to_pyarrow().to_pandas()
    lines, events = random_lines.to_pandas(), random_events.to_pandas()
    spend = lines.groupby(["user_id", "day"]).amount.sum()
    views = (events.event_type == "view").groupby([events.user_id, events.day]).sum()
    days = pd.concat([spend.rename("spend"), views.rename("views")], axis=1).fillna(0).reset_index()
    days = days[pd.to_datetime(days.day) < pd.Timestamp(SNAPSHOT)].sort_values(["user_id", "day"])
    age = (pd.Timestamp(SNAPSHOT) - pd.to_datetime(days.day)).dt.days
    days = days.assign(age=age, gap=(age.groupby(days.user_id).shift() - age).fillna(0))
    found = found.set_index("user_id").sort_index()
    for measure in ("age", "gap", "spend", "views"):
        expected = days.groupby("user_id").tail(steps).groupby("user_id")[measure].apply(list)
        assert list(found.index) == list(expected.index)
        for user, values in expected.items():
            np.testing.assert_allclose(found.loc[user, f"sequence_{measure}"], values, atol=1e-9)
