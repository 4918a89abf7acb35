"""Live equals batch: for any history, whatever happens on the days after the snapshot."""

import shutil
from datetime import date, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import sequences
from features.build import build
from features.definitions import available
from models.purchasing_power import PurchasingPower
from models.storage import STRUCTURE
from pipelines.errors import PurseError
from pipelines.score import predict
from pipelines.tracking.seals import seal_folder
from serving.engine.engine import Engine
from serving.engine.features import LiveFeatures
from serving.release.release import HISTORY, MODEL
from tests.serving.releases import (
    COLUMNS,
    SNAPSHOT,
    canonical,
    catalogue,
    daily,
    day,
    event,
    features_of,
    line,
    make_release,
    profile,
    random_shop,
    small_model,
)

NUMBERS = ["expected_spend", "spend_low", "spend_high", "purchase_probability", "score"]
LOGS = ("order_lines", "events")
USERS = [f"u{n}" for n in range(12)]
"""Each has a history of its own: an example is many histories at once."""
folders = count()


@cache
def model() -> PurchasingPower:
    return small_model()


def at(number: int, minute: int) -> datetime:
    return datetime.combine(day(number), datetime.min.time()) + timedelta(minutes=minute)


def batch(rows, snapshot: date) -> pd.DataFrame:
    """What the pipeline says of everyone on a lake that holds all rows."""
    buyers, others = features_of(daily(rows), snapshot)
    parts = [predict(model(), buyers)] if len(buyers) else []
    if len(others):
        parts.append(model().predict_without_orders(others).assign(user_id=others["user_id"]))
    return pd.concat(parts).sort_values("user_id", ignore_index=True) if parts else pd.DataFrame({"user_id": []})


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert list(found["user_id"]) == list(expected["user_id"])
    if len(found):
        for name in ("tier", "reasons", "basis"):
            assert list(found[name]) == list(expected[name])
        ours, theirs = (frame[NUMBERS].to_numpy(dtype=float) for frame in (found, expected))
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


def parted(rows, snapshot: date = SNAPSHOT):
    """What was there before the snapshot, and what came since."""
    past = {name: table.filter(pc.less(table["day"], snapshot)) for name, table in rows.items()}
    since = {name: table.filter(pc.greater_equal(table["day"], snapshot)) for name, table in rows.items()}
    return past | {"products": rows["products"]}, since


def of_users(rows, users):
    return {name: table.filter(pc.is_in(table["user_id"], pa.array(users))) for name, table in rows.items()}


user, number, minute = st.sampled_from(USERS), st.integers(-60, 2), st.integers(0, 1439)
product = st.sampled_from([f"p{n}" for n in range(6)])
cents = st.integers(1, 5_000).map(lambda value: value / 100)
lines = st.lists(
    st.tuples(user, st.builds(at, number, minute), product, st.sampled_from([1.0, 2.0, -1.0]), cents), min_size=40
)
kind = st.sampled_from(["view", "view", "click", "search", "cart", "favourite", "tour"])
events = st.lists(st.tuples(user, st.builds(at, number, minute), kind, product | st.none()), min_size=40)
moment = st.none() | st.builds(day, number)
users = st.lists(
    st.tuples(user, moment, st.sampled_from("nsx"), st.sampled_from(["young", None]), moment),
    unique_by=lambda version: version[:2],
)


@pytest.mark.property
@given(lines, events, users, st.integers(1, 3))
def test_live_is_batch_for_any_history_and_moment(tmp_path: Path, lines, events, users, days):
    rows = {
        "order_lines": canonical("order_lines", [line(*one, n) for n, one in enumerate(lines)]),
        "events": canonical("events", [event(*one, n) for n, one in enumerate(events)]),
        "users": canonical("users", [profile(*one) for one in users]),
        "products": canonical("products", catalogue()),
    }
    past, since = parted(rows)
    expected = batch(rows, day(days))
    engine = Engine.open(make_release(tmp_path / str(next(folders)), past, model()), tmp_path)
    sold = since["order_lines"]
    engine.close_days(sold.filter(pc.less(sold["day"], day(days - 1))))
    live = {name: since[name] for name in (*LOGS, "users")}
    assert_same(engine.score(live, day(days), USERS), expected)
    for one in USERS[:2]:
        alone = engine.score(of_users(live, [one]), day(days), [one])
        assert_same(alone, expected[expected["user_id"] == one].reset_index(drop=True))
    engine.close()


@pytest.fixture(scope="module")
def shop():
    return random_shop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, shop):
    scores = batch(shop, SNAPSHOT)
    return make_release(tmp_path_factory.mktemp("releases") / "7", shop, model(), scores)


@pytest.fixture(scope="module")
def engine(folder):
    engine = Engine.open(folder, folder.parent)
    yield engine
    engine.close()


def bought(user: str, number: int = 0, price: float = 5.0) -> pa.Table:
    return canonical("order_lines", [line(user, at(number, 600), "p1", 1.0, price, 9_000)])


def test_without_anything_new_the_engine_says_what_the_batch_said(engine, shop):
    expected = batch(shop, SNAPSHOT)
    found = engine.score({}, SNAPSHOT, list(expected["user_id"]))
    assert_same(found, expected)
    assert set(found["basis"]) == {"orders", "attributes"}


def test_what_is_done_on_or_after_the_snapshot_date_is_not_looked_at(engine):
    before = engine.score({}, day(1), ["u1"])
    after = engine.score({"order_lines": bought("u1", 1), "events": None}, day(1), ["u1"])
    pd.testing.assert_frame_equal(before, after)


def test_a_purchase_counts_at_once_and_makes_a_customer_of_a_stranger(engine):
    assert engine.score({}, day(1), ["stranger"]).empty
    found = engine.score({"order_lines": bought("stranger")}, day(1), ["stranger", "u1"])
    assert list(found["user_id"]) == ["stranger", "u1"]
    assert list(found["basis"]) == ["orders", "orders"]
    seen = canonical("events", [event("visitor", at(0, 1), "view", "p1", 1)])
    assert list(engine.score({"events": seen}, day(1), ["visitor"])["basis"]) == ["attributes"]


def test_a_users_score_does_not_depend_on_who_is_asked_with_them(engine, shop):
    everyone = sorted({*shop["order_lines"]["user_id"].to_pylist()})
    rows = {"order_lines": pa.concat_tables([bought(one, 0, 3.0 + n) for n, one in enumerate(everyone)])}
    together = engine.score(rows, day(1), everyone)
    for one in everyone[:3]:
        alone = engine.score(of_users(rows, [one]), day(1), [one])
        assert_same(alone, together[together["user_id"] == one].reset_index(drop=True))


def test_nobody_and_asked_twice(engine):
    assert engine.score({}, day(1), []).empty
    assert len(engine.score({}, day(1), ["u1", "u1"])) == 1


def test_columns_that_are_optional_may_be_absent(engine):
    bare = bought("u1").select(["order_id", "product_id", "line", "user_id", "ordered_at", "quantity", "unit_price"])
    with_amount = bare.append_column("amount", bought("u1")["amount"])
    assert len(engine.score({"order_lines": with_amount}, day(1), ["u1"])) == 1


def test_days_that_the_history_has_are_refused_for_whoever_is_in_it(engine):
    with pytest.raises(ValueError, match="an earlier one of user 'u1'"):
        engine.score({"order_lines": bought("u1", -1)}, day(1), ["u1"])
    assert len(engine.score({"order_lines": bought("stranger", -1)}, day(1), ["stranger"])) == 1
    with pytest.raises(ValueError, match="the history ends there"):
        engine.score({}, day(-1), ["u1"])


def test_prices_of_live_days_count_once_they_are_closed(engine, shop):
    sold = pa.concat_tables([bought(f"u{n}", 0, 10.0 + n) for n in range(30)])
    later = bought("u1", 1, 100.0)
    rows = {"order_lines": pa.concat_tables([of_users({"o": sold}, ["u1"])["o"], later])}
    expected = batch(shop | {"order_lines": pa.concat_tables([shop["order_lines"], sold, later])}, day(2))
    engine.close_days(sold)
    found = engine.score(rows, day(2), ["u1"])
    engine.close_days(sold.slice(0, 0))
    assert_same(found, expected[expected["user_id"] == "u1"].reset_index(drop=True))


def test_channels_are_what_the_batch_gives_too(folder, shop):
    given, channels = available(set(COLUMNS)), sequences.available(set(COLUMNS))
    names = [one.name for one in (*given, *channels)]
    live = {"order_lines": bought("u1"), "events": canonical("events", [event("u2", at(0, 5), "view", "p2", 1)])}
    everything = {name: pa.concat_tables([shop[name], live[name]]) for name in LOGS}
    expected = build(daily(shop | everything), day(1), given, channels).to_pyarrow().to_pandas()
    expected = expected.sort_values("user_id", ignore_index=True)
    features = LiveFeatures(folder / HISTORY, COLUMNS, names, SNAPSHOT)
    found, _ = features.compute(live, day(1), [*expected["user_id"], "nobody"])
    features.close()
    pd.testing.assert_frame_equal(found.to_pandas(), expected[["user_id", *names]], rtol=1e-9)


def test_a_release_of_other_code_or_features_is_told_apart(folder, tmp_path):
    with pytest.raises(ValueError, match="found 1 that are not, first 'spend_of_old'"):
        LiveFeatures(folder / HISTORY, COLUMNS, ["spend_28d", "spend_of_old"], SNAPSHOT)
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / MODEL / STRUCTURE).write_text('{"object": ["models.gone:Model", {}]}')
    seal_folder(folder.parent, broken / MODEL)
    with pytest.raises(PurseError, match=r"cannot be read: ModuleNotFoundError.*Deploy again"):
        Engine.open(broken, folder.parent)
