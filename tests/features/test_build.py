"""Features against answers that are computed by hand or, for a random shop, by pandas."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from features import sequences
from features.build import build, labels
from features.definitions import FEATURES, available, of_attributes
from features.feature import Feature
from features.units import Unit

SNAPSHOT = date(2024, 3, 1)
PRODUCTS = {
    "product_id": ["a", "b", "c"],
    "valid_from": pd.to_datetime(["1970-01-01"] * 3),
    "category": ["x", "x", "y"],
}


def of(*names):
    return [feature for feature in FEATURES if feature.name in names]


def computed(tables, *names, snapshot=SNAPSHOT):
    return build(tables, snapshot, of(*names)).to_pandas().set_index("user_id").sort_index()


def test_clv_terms_of_three_purchase_days(order_lines, daily):
    lines = order_lines(
        ("u", "2024-01-01", "a", 1, 100.0), ("u", "2024-01-11", "a", 1, 20.0), ("u", "2024-01-31", "a", 2, 40.0)
    )
    user = computed(daily(lines), "frequency", "recency", "T", "monetary_value", "spend_total", "spend_per_day").loc[
        "u"
    ]
    assert user.frequency == 2
    assert user.recency == 30
    assert user["T"] == 60
    assert user.monetary_value == 30
    assert user.spend_total == 160
    assert user.spend_per_day == pytest.approx(160 / 60)


def test_one_purchase_has_no_repeat_value_and_no_gap(order_lines, daily):
    user = computed(
        daily(order_lines(("u", "2024-02-29", "a", 1, 5.0))),
        "frequency",
        "monetary_value",
        "T",
        "gap_mean",
        "gap_spread",
    ).loc["u"]
    assert (user.frequency, user.monetary_value, user["T"]) == (0, 0, 1)
    assert np.isnan(user.gap_mean)
    assert np.isnan(user.gap_spread)


def test_windows_hold_the_day_before_the_snapshot_and_the_oldest_day_but_no_more(order_lines, daily):
    lines = order_lines(
        ("u", "2024-03-01", "a", 1, 1.0),  # the snapshot itself: not seen
        ("u", "2024-02-29", "a", 1, 2.0),
        ("u", "2024-02-23", "a", 1, 4.0),  # the seventh day back
        ("u", "2024-02-22", "a", 1, 8.0),  # the eighth
    )
    user = computed(daily(lines), "spend_7d", "spend_14d", "purchase_days_7d", "days_since_last_order").loc["u"]
    assert (user.spend_7d, user.spend_14d, user.purchase_days_7d, user.days_since_last_order) == (6, 14, 2, 1)


def test_two_orders_of_one_day_are_one_purchase_day(order_lines, daily, events):
    lines = order_lines(("u", "2024-02-20 09:00", "a", 1, 1.0), ("u", "2024-02-20 18:00", "b", 2, 6.0))
    shop = daily(lines, events=events(("u", "2024-02-20 09:00", "view", "a", "s", 1.0)))
    expected = {
        "purchase_days_28d": 1,
        "purchase_days_total": 1,
        "visit_days_28d": 1,
        "spend_per_purchase_day_28d": 7,
        "lines_per_purchase_day_28d": 2,
        "largest_day_spend_91d": 7,
        "orders_per_session_28d": 2,
    }
    assert computed(shop, *expected).loc["u"].to_dict() == expected


def test_returns_lower_spend_and_are_no_purchase(order_lines, daily):
    lines = order_lines(
        ("u", "2024-02-01", "a", 2, 100.0), ("u", "2024-02-20", "a", -1, -50.0), ("v", "2024-02-20", "a", -1, -9.0)
    )
    users = computed(daily(lines), "spend_28d", "spend_91d", "return_rate_91d", "frequency", "days_since_last_order")
    assert list(users.index) == ["u"]  # v never bought
    assert users.loc["u"].to_dict() == {
        "spend_28d": -50,
        "spend_91d": 50,
        "return_rate_91d": 0.5,
        "frequency": 0,
        "days_since_last_order": 29,
    }


def test_an_order_id_with_returned_lines_only_is_no_order_of_that_day(table, daily):
    rows = [("1", "2024-01-01", 1), ("1", "2024-01-21", -1), ("2", "2024-01-21", 1), ("2", "2024-01-21", -1)]
    rows += [("2", "2024-01-25", -1)]
    order_ids, days, quantities = (list(column) for column in zip(*rows, strict=True))
    lines = table(
        user_id=["u"] * len(rows),
        order_id=order_ids,
        line=list(range(len(rows))),
        product_id=["a"] * len(rows),
        ordered_at=pd.to_datetime(days),
        day=pd.to_datetime(days),
        quantity=[float(quantity) for quantity in quantities],
        unit_price=[5.0] * len(rows),
        amount=[5.0 * quantity for quantity in quantities],
    )
    assert daily(lines)["user_day"].to_pandas().sort_values("day").orders.tolist() == [1, 1, 0]


def test_rhythm_and_trend(order_lines, daily):
    lines = order_lines(
        ("u", "2024-01-10", "a", 1, 10.0), ("u", "2024-01-20", "a", 1, 10.0), ("u", "2024-02-09", "a", 1, 20.0)
    )
    user = computed(
        daily(lines), "gap_mean", "gap_spread", "gap_overdue", "spend_trend_28d", "purchase_days_trend_28d"
    ).loc["u"]
    assert user.gap_mean == 15
    assert user.gap_spread == pytest.approx(np.std([10, 20], ddof=1))
    assert user.gap_overdue == pytest.approx(21 / 15)
    assert user.spend_trend_28d == pytest.approx(20 / 40)
    assert user.purchase_days_trend_28d == pytest.approx(1 / 3)


def test_nobody_in_the_recent_window_is_a_trend_of_zero(order_lines, daily):
    assert computed(daily(order_lines(("u", "2024-01-10", "a", 1, 10.0))), "spend_trend_28d").loc["u"].item() == 0


def test_price_level_is_the_z_score_of_the_log_price_among_the_category_s_28_days_before(order_lines, daily, table):
    before = [("shop", "2024-01-23", "a", 2, 2.0), ("shop", "2024-02-19", "b", 1, np.e**2)]
    lines = order_lines(
        ("forgotten", "2024-01-22", "a", 1, 99.0),
        *before,
        ("cheap", "2024-02-20", "a", 2, 2.0),
        ("dear", "2024-02-20", "b", 1, np.e**2),
        ("dearest", "2024-02-20", "b", 1, np.e**3),
        ("other", "2024-02-20", "c", 1, 7.0),
    )
    users = computed(daily(lines, table(**PRODUCTS)), "price_level_28d").price_level_28d
    # log prices of category x before 20 February are 0 and 2: mean 1, standard deviation 1; category y has none
    expected = {"cheap": -1, "dear": 1, "dearest": 2, "other": 0, "forgotten": 0}
    assert users.drop("shop").to_dict() == pytest.approx(expected)


def test_prices_of_the_same_day_do_not_move_a_price_level(order_lines, daily, table):
    before = [("v", "2024-02-19", "a", 1, 1.0), ("v", "2024-02-19", "b", 1, np.e**2)]
    bought = ("u", "2024-02-20", "b", 1, np.e**2)
    alone = computed(daily(order_lines(*before, bought), table(**PRODUCTS)), "price_level_28d")
    others = [("w", "2024-02-20", "a", 1, 1e6)] * 3
    among = computed(daily(order_lines(*before, *others, bought), table(**PRODUCTS)), "price_level_28d")
    assert alone.price_level_28d["u"] == among.price_level_28d["u"] == pytest.approx(1)


def test_breadth(order_lines, daily, table):
    lines = order_lines(
        ("u", "2024-02-20", "a", 1, 30.0), ("u", "2024-02-21", "c", 1, 10.0), ("v", "2024-02-21", "c", 1, 10.0)
    )
    users = computed(
        daily(lines, table(**PRODUCTS)), "categories_28d", "category_entropy_91d", "top_category_share_91d"
    )
    assert users.loc["u"].to_dict() == pytest.approx(
        {
            "categories_28d": 2,
            "category_entropy_91d": -(0.75 * np.log(0.75) + 0.25 * np.log(0.25)),
            "top_category_share_91d": 0.75,
        }
    )
    assert users.loc["v"].to_dict() == pytest.approx(
        {"categories_28d": 1, "category_entropy_91d": 0, "top_category_share_91d": 1}
    )


def test_calendar(order_lines, daily):
    lines = order_lines(
        ("u", "2024-02-03", "a", 1, 1.0),
        ("u", "2024-02-20", "a", 1, 1.0),  # a Saturday and a Tuesday
    )
    user = computed(daily(lines), "weekend_share_91d", "month_start_share_91d").loc["u"]
    assert (user.weekend_share_91d, user.month_start_share_91d) == (0.5, 0.5)


def test_profile_is_the_newest_version_before_the_snapshot(order_lines, daily, table):
    users = table(
        user_id=["u", "u", "u"],
        valid_from=pd.to_datetime(["2024-01-01", "2024-02-01", "2024-03-01"]),
        age_band=["30-34", "35-39", "40-44"],
        day=pd.to_datetime(["2024-01-01", "2024-02-01", "2024-03-01"]),
    )
    lines = order_lines(("u", "2024-02-20", "a", 1, 1.0), ("w", "2024-02-20", "a", 1, 1.0))
    bands = computed(daily(lines, users=users), "age_band").age_band
    assert bands.to_dict() == {"u": "35-39", "w": "missing"}


def test_users_without_orders_are_those_known_and_registered_before_the_snapshot_without_a_purchase(
    order_lines, daily, table
):
    never = pd.NaT
    rows = [  # user, version from, registered
        ("bought", "2024-01-01", "2024-01-01"),
        ("returned", "2024-01-01", "2024-01-01"),
        ("idle", "2024-01-01", "2024-01-01"),
        ("buys later", "2024-02-29", "2024-02-29"),
        ("registers later", "1970-01-01", "2024-03-01"),
        ("known later", "2024-03-01", "2024-02-01"),
        ("undated", "1970-01-01", never),
    ]
    names, versions, registered = (list(column) for column in zip(*rows, strict=True))
    users = table(
        user_id=names,
        valid_from=pd.to_datetime(versions),
        registered_at=pd.to_datetime(registered),
        region=["r"] * len(names),
        day=pd.to_datetime(versions),
    )
    lines = order_lines(
        ("bought", "2024-02-20", "a", 1, 1.0),
        ("returned", "2024-02-20", "a", -1, -1.0),
        ("buys later", "2024-03-01", "a", 1, 1.0),
        ("stranger", "2024-02-20", "a", 1, 1.0),
    )
    tables, features = daily(lines, users=users), of_attributes(of("region", "tenure", "spend_28d"))
    found = build(tables, SNAPSHOT, features, population="without_orders").to_pandas().set_index("user_id").sort_index()
    assert list(found.index) == ["buys later", "idle", "returned", "undated"]
    assert list(found.columns) == ["region", "tenure"]
    assert found.tenure.tolist()[:3] == [1, 60, 60]
    assert np.isnan(found.tenure["undated"])
    assert set(computed(tables, "region").index) == {"bought", "stranger"}


def test_the_tenure_of_a_buyer_who_registers_on_the_snapshot_or_later_is_not_known_yet(order_lines, daily, table):
    users = table(
        user_id=["u", "v", "w"],
        valid_from=pd.to_datetime(["1970-01-01"] * 3),
        registered_at=pd.to_datetime(["2024-03-02", "2024-03-01", "2024-02-29"]),
        day=pd.to_datetime(["1970-01-01"] * 3),
    )
    lines = order_lines(*((user, "2024-02-20", "a", 1, 1.0) for user in "uvw"))
    tenure = computed(daily(lines, users=users), "tenure").tenure
    assert tenure.isna().to_dict() == {"u": True, "v": True, "w": False}
    assert tenure["w"] == 1


def test_nobody_is_known_without_orders_where_there_is_no_users_table(order_lines, daily):
    tables = daily(order_lines(("u", "2024-02-20", "a", 1, 1.0), ("v", "2024-02-20", "a", -1, -1.0)))
    assert build(tables, SNAPSHOT, (), population="without_orders").to_pandas().empty


def test_attributes_are_what_needs_no_orders():
    def needing(*needs):
        return Feature("one", lambda day: day, Unit.DAYS, "One.", "one", needs=needs)

    views = needing("events.event_type", "products.category")
    given = [needing("users.region"), views, needing("events.event_type", "order_lines.amount")]
    given += [needing("products.category"), needing("order_lines.amount")]
    assert of_attributes(given) == tuple(given[:2])


def test_features_without_their_column_are_left_out():
    names = [feature.name for feature in available({"order_lines.amount"})]
    assert "spend_28d" in names
    assert not {"age_band", "price_level_28d", "margin_28d", "categories_28d"}.intersection(names)


def test_windows_equal_pandas(random_lines, daily):
    frame = random_lines.to_pandas()
    frame["day"] = pd.to_datetime(frame.day)
    end, expected = pd.Timestamp(SNAPSHOT), {}
    for window in (7, 28, 91):
        seen = frame[(frame.day >= end - timedelta(days=window)) & (frame.day < end)]
        expected |= {
            f"purchase_days_{window}d": seen[seen.quantity > 0].groupby("user_id").day.nunique(),
            f"spend_{window}d": seen.groupby("user_id").amount.sum(),
            f"units_{window}d": seen.groupby("user_id").quantity.sum(),
        }
    buyers = frame[(frame.day < end) & (frame.quantity > 0)].user_id.unique()
    expected = pd.DataFrame(expected).reindex(sorted(buyers))
    actual = computed(daily(random_lines), *expected.columns)
    pd.testing.assert_frame_equal(actual, expected.fillna(0).astype(float), check_names=False)


def test_labels_cover_the_horizon_and_count_returns(order_lines, daily):
    lines = order_lines(
        ("u", "2024-02-29", "a", 1, 1.0),
        ("u", "2024-03-01", "a", 1, 2.0),
        ("u", "2024-03-07", "a", 1, 4.0),
        ("u", "2024-03-08", "a", 1, 8.0),
        ("v", "2024-03-02", "a", -1, -16.0),
    )
    found = labels(daily(lines)["user_day"], SNAPSHOT, 7).to_pandas().set_index("user_id").sort_index()
    assert found.future_spend.to_dict() == {"u": 6, "v": -16}
    assert found.purchased.to_dict() == {"u": True, "v": False}


def test_actions_come_as_lists_behind_the_features(order_lines, daily):
    lines = order_lines(("u", "2024-01-10", "a", 1, 10.0), ("u", "2024-01-20", "a", 1, 30.0))
    frame = build(daily(lines), SNAPSHOT, of("spend_28d"), sequences.SEQUENCES[:3]).to_pandas()
    assert list(frame.columns) == ["user_id", "spend_28d", "sequence_age", "sequence_gap", "sequence_spend"]
    assert frame.sequence_spend[0] == [10, 30]
    assert frame.sequence_age[0] == [51, 41]


def test_every_feature_is_documented_and_named_once():
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)
    for feature in FEATURES:
        assert feature.description.endswith(".")
        value = "x" if feature.kind == "category" else 1.0
        assert "{" not in feature.phrase.format(value=value)
