"""The simulated shop: repeatable, consistent within itself, and like a shop where it matters."""

import hashlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.stats import spearmanr

from marketplace.dirt import KINDS, Dirt
from marketplace.plan import Stream


def digest(simulated):
    sink = pa.BufferOutputStream()
    for day in simulated.days:
        for table in (day.events, day.order_lines):
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
    return hashlib.sha256(sink.getvalue()).hexdigest()


def test_the_same_seed_gives_the_same_rows_with_any_number_of_threads_and_another_seed_others(simulate):
    threads, first = pa.cpu_count(), digest(simulate(users=300, days=5))
    assert first != digest(simulate(users=300, days=5, seed=1))
    pa.set_cpu_count(1)
    try:
        assert first == digest(simulate(users=300, days=5))
    finally:
        pa.set_cpu_count(threads)


def test_a_day_is_drawn_from_its_own_random_numbers(simulate):
    """So nothing depends on what was drawn for other days, nor on how they are shared out."""
    plan = simulate(users=10, days=1).plan
    draws = {plan.random(stream, day).random() for stream in Stream for day in range(20)}
    assert len(draws) == 20 * len(Stream)
    assert plan.random(Stream.VISITS, 7).random() == plan.random(Stream.VISITS, 7).random()


@pytest.mark.parametrize(("users", "days"), [(1, 1), (1, 40), (200, 1)])
def test_the_smallest_shops_have_every_table(simulate, users, days):
    simulated = simulate(users=users, days=days)
    assert len(simulated.days) == days
    assert simulated.shop.users.num_rows == simulated.shop.truth.num_rows == users
    schemas = {day.events.schema for day in simulated.days} | {day.order_lines.schema for day in simulated.days}
    assert len(schemas) == 2


def test_events_are_as_the_shop_exports_them(long_shop):
    events = long_shop.frame("events")
    assert list(events.columns[:-1]) == [
        "event_id", "user_id", "occurred_at", "event_type", "product_id", "session_id", "dwell_seconds", "query",
        "channel",
    ]  # fmt: skip
    assert events.event_id.is_unique
    assert set(events.event_type) == {"view", "click", "search", "cart", "favourite"}
    assert (events.product_id.isna() == (events.event_type == "search")).all()
    assert (events["query"].notna() == (events.event_type == "search")).all()
    assert str(events.occurred_at.dt.tz) == "UTC"
    assert events.occurred_at.is_monotonic_increasing
    assert ((events.occurred_at.dt.normalize() - pd.Timestamp("2024-01-01", tz="UTC")).dt.days == events.arrived).all()


def test_a_session_is_one_visit_and_its_dwell_times_lead_from_event_to_event(long_shop):
    events = long_shop.days[50].events.to_pandas()
    sessions = events.groupby("session_id")
    assert (sessions.user_id.nunique() == 1).all()
    assert (sessions.channel.nunique() == 1).all()
    gaps = sessions.occurred_at.diff().dt.total_seconds()
    expected = sessions.dwell_seconds.shift()
    assert np.allclose(gaps.dropna(), expected.dropna())


def test_nobody_acts_before_registering_or_after_leaving(long_shop):
    users, truth = long_shop.shop.users.to_pandas(), long_shop.shop.truth.to_pandas()
    events = long_shop.frame("events").merge(users, on="user_id").merge(truth, on="user_id")
    assert (events.occurred_at >= events.registered_at).all()
    assert (events.arrived < events.left_on_day).all()
    assert users.registered_at.is_monotonic_increasing
    assert ((users.registered_at < pd.Timestamp("2024-01-01", tz="UTC")) == users.valid_from.isna()).all()


def test_order_lines_are_the_last_carts_of_their_visit(long_shop):
    events, lines = long_shop.frame("events"), long_shop.frame("order_lines")
    bought = lines[lines.quantity > 0]
    carts = events[events.event_type == "cart"]
    pairs = carts.groupby(["session_id", "product_id"]).size()
    wanted = bought.groupby(["order_id", "product_id"]).size()
    assert (pairs.reindex(wanted.index).fillna(0) >= wanted).all()
    last = carts.groupby("session_id").occurred_at.max()
    assert (last.loc[bought.order_id].to_numpy() == bought.ordered_at.to_numpy()).all()


def test_money_adds_up(long_shop):
    lines = long_shop.frame("order_lines").merge(long_shop.shop.products.to_pandas(), on="product_id")
    assert np.allclose(lines.amount + lines.discount, lines.quantity * lines.list_price)
    assert np.allclose(lines.amount, lines.quantity * lines.unit_price, atol=0.005)
    bought = lines[lines.quantity > 0]
    assert (bought.amount > 0).all()
    assert (bought.discount >= 0).all()
    assert (lines.list_price > lines.unit_cost_x).all()


def test_returns_take_back_an_earlier_line_and_no_line_twice(long_shop):
    lines = long_shop.frame("order_lines")
    assert not lines.duplicated(["order_id", "product_id", "line"]).any()
    bought, returns = lines[lines.quantity > 0], lines[lines.quantity < 0]
    both = returns.merge(bought, left_on=["order_id", "returned_line"], right_on=["order_id", "line"])
    assert len(both) == len(returns) > 0
    assert not returns.duplicated(["order_id", "returned_line"]).any()
    for column in ("user_id", "product_id", "unit_price", "unit_cost"):
        assert (both[f"{column}_x"] == both[f"{column}_y"]).all()
    for column in ("quantity", "amount", "discount"):
        assert (both[f"{column}_x"] == -both[f"{column}_y"]).all()
    days = both.arrived_x - both.arrived_y
    assert days.between(2, 30).all()
    assert 0.03 < len(returns) / len(bought) < 0.07


def test_some_users_never_order_and_those_who_did_buy_again_or_not(long_shop):
    lines, events = long_shop.frame("order_lines"), long_shop.frame("events")
    bought = lines[lines.quantity > 0]
    assert 0.3 < bought.user_id.nunique() / events.user_id.nunique() < 0.9
    for cutoff in (60, 92):
        known = set(bought[bought.arrived < cutoff].user_id)
        again = set(bought[bought.arrived.between(cutoff, cutoff + 27)].user_id) & known
        assert 0.2 < len(again) / len(known) < 0.5
    newcomers = set(bought.user_id) - set(bought[bought.arrived < 60].user_id)
    assert len(newcomers) > 100


def test_spend_follows_the_hidden_budget_with_a_heavy_tail(long_shop):
    truth = long_shop.shop.truth.to_pandas().set_index("user_id")
    users = long_shop.shop.users.to_pandas().set_index("user_id")
    spend = long_shop.frame("order_lines").groupby("user_id").amount.sum().reindex(truth.index).fillna(0)
    there = (truth.left_on_day >= 120) & users.valid_from.isna()
    expected = (truth.budget * truth.wallet_share)[there]
    assert spearmanr(expected, spend[there]).statistic > 0.5
    assert spearmanr(truth.budget[there], spend[there]).statistic > 0.35
    assert 0.7 < spend[there].sum() * 28 / 120 / expected.sum() < 1.2
    assert (spend[truth.wallet_share == 0] == 0).all()
    buyers = spend[spend > 0].sort_values(ascending=False)
    assert buyers.iloc[: len(buyers) // 10].sum() > 0.3 * buyers.sum()


def test_the_price_level_that_is_viewed_shows_the_taste(long_shop):
    products = long_shop.shop.products.to_pandas().set_index("product_id")
    rank = products.groupby("category", observed=True).list_price.rank(pct=True)
    events = long_shop.frame("events").dropna(subset="product_id")
    level = rank.loc[events.product_id.astype(int)].groupby(events.user_id.to_numpy()).mean()
    truth = long_shop.shop.truth.to_pandas().set_index("user_id")
    assert spearmanr(level, truth.taste.loc[level.index]).statistic > 0.8


def test_browsing_tells_more_about_future_spend_than_past_orders_alone(long_shop):
    lines, events = long_shop.frame("order_lines"), long_shop.frame("events")
    known = lines[lines.arrived < 92].user_id.unique()

    def by_user(frame, start, end):
        return frame[(frame.arrived >= start) & (frame.arrived < end)].groupby("user_id")

    future = by_user(lines, 92, 120).amount.sum().reindex(known).fillna(0)
    past = by_user(lines, 0, 92).amount.sum().reindex(known).fillna(0)
    visits = by_user(events, 78, 92).session_id.nunique().reindex(known).fillna(0)
    ranks = pd.DataFrame({"future": future, "past": past, "visits": visits}).rank().corr()
    f_v, f_p, v_p = ranks.future["visits"], ranks.future["past"], ranks.visits["past"]
    partial = (f_v - f_p * v_p) / np.sqrt((1 - f_p**2) * (1 - v_p**2))
    assert partial > 0.2


@pytest.fixture(scope="module")
def calm(simulate):
    return simulate(users=400, days=14)


@pytest.mark.parametrize("kind", ["price_rise", "mix_change", "broken_tracking"])
def test_drift_shows_from_its_day_on_and_not_before(simulate, calm, kind):
    drifted = simulate(users=400, days=14, drift={kind: 7})
    table = "order_lines" if kind == "price_rise" else "events"
    same = [getattr(a, table).equals(getattr(b, table)) for a, b in zip(calm.days, drifted.days, strict=True)]
    assert same == [True] * 7 + [False] * 7


def test_prices_rise_and_products_get_a_second_version(simulate):
    drifted = simulate(users=800, drift={"price_rise": 20})
    products = drifted.shop.products.to_pandas()
    versions = products.groupby("product_id").list_price.agg(["first", "last", "size"])
    assert (versions["size"] == 2).all()
    assert np.allclose(versions["last"] / versions["first"], 1.15, atol=0.01)
    assert set(products.valid_from.dropna()) == {pd.Timestamp("2024-01-21", tz="UTC")}
    lines = drifted.frame("order_lines")
    bought = lines[(lines.quantity > 0)].merge(versions, left_on="product_id", right_index=True)
    list_price = (bought.amount + bought.discount) / bought.quantity
    assert np.allclose(list_price, np.where(bought.arrived < 20, bought["first"], bought["last"]))


def test_the_mix_changes(simulate):
    drifted = simulate(users=800, drift={"mix_change": 20})
    categories = drifted.shop.products.to_pandas().set_index("product_id").category
    events = drifted.frame("events").dropna(subset="product_id")
    cheap = categories.loc[events.product_id.astype(int)].isin(["groceries", "household", "pets"]).to_numpy()
    assert cheap[events.arrived < 20].mean() < 0.35
    assert cheap[events.arrived >= 20].mean() > 0.45


def test_tracking_breaks(simulate):
    events = simulate(users=800, drift={"broken_tracking": 20}).frame("events")
    app = events[events.channel == "app"]
    before, after = app[app.arrived < 20], app[app.arrived >= 20]
    assert before.dwell_seconds.notna().all()
    assert (before.event_type == "cart").any()
    assert after.dwell_seconds.isna().all()
    assert not (after.event_type == "cart").any()
    web = events[(events.channel != "app") & (events.arrived >= 20)]
    assert web.dwell_seconds.notna().all()
    assert (web.event_type == "cart").any()


def test_without_dirt_nothing_is_touched(long_shop):
    dirt = Dirt(long_shop.plan)
    assert dirt.users(long_shop.shop.users).equals(long_shop.shop.users)
    assert not dirt.spoiled
    assert set(KINDS) == {"nulls", "duplicates", "outliers", "late", "out_of_order", "bad_encodings"}
