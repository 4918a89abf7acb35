"""A shop whose users register before they buy, through the real steps: who has not bought is scored too."""

from datetime import date, timedelta
from functools import partial

import numpy as np
import pandas as pd
import pytest

from models.measures.comparison import compare
from pipelines import register
from pipelines.build_features.step import build_features
from pipelines.ingest.step import ingest
from pipelines.lake import tables
from pipelines.lake.names import WITHOUT_ORDERS
from pipelines.results.result import read_result, write_result
from pipelines.results.training import Split
from pipelines.retraining.training_set import TRAINING_WITHOUT_ORDERS, read_labelled
from pipelines.score import score
from pipelines.settings import load_settings
from pipelines.split import split
from pipelines.tracking import logged_model
from pipelines.tracking.champion import set_champion
from pipelines.tracking.runs import connect
from pipelines.train import step as train
from pipelines.train.cold_start import read_cohorts
from pipelines.validate.step import validate

FIRST, DAYS, USERS = date(2020, 1, 1), 100, 900
END = FIRST + timedelta(days=DAYS)
NOON = pd.Timestamp("2020-04-10 12:00", tz="UTC").to_pydatetime()
SOURCE = """
title: A shop with registrations
tables:
  order_lines:
    from: {{files: "{folder}/orders.csv"}}
    columns: {{order_id: _line, product_id: "'p'", line: _line, user_id: user_id, ordered_at: day, quantity: "1",
               unit_price: amount, amount: amount}}
"""
WITH_USERS = """
  users:
    from: {{files: "{folder}/users.csv"}}
    columns: {{user_id: user_id, valid_from: known, registered_at: registered, region: region}}
"""


def simulated():
    """Users register evenly; in the north they soon buy for 50 each time, in the south seldom and for 10."""
    random = np.random.default_rng(0)
    north, registered = random.random(USERS) < 0.5, random.integers(0, DAYS, USERS)
    names = np.array([f"user-{number:03d}" for number in range(USERS)])
    bought, orders = np.zeros(USERS, dtype=bool), []
    for day in range(DAYS):
        chance = np.where(bought, 0.1, np.where(north, 0.02, 0.004)) * (registered <= day)
        buys = random.random(USERS) < chance
        bought |= buys
        amount = np.where(north, 50.0, 10.0) * random.lognormal(0, 0.2, USERS)
        orders += [(names[user], FIRST + timedelta(days=day), round(amount[user], 2)) for user in np.flatnonzero(buys)]
    days = [FIRST + timedelta(days=int(day)) for day in registered]
    region = np.where(north, "north", "south")
    users = pd.DataFrame({"user_id": names, "registered": days, "known": days, "region": region})
    return pd.DataFrame(orders, columns=["user_id", "day", "amount"]), users


def made_shop(folder, empty_mlflow, source=SOURCE + WITH_USERS, users=None):
    orders, everyone = simulated()
    orders.to_csv(folder / "orders.csv", index=False)
    (everyone if users is None else users).to_csv(folder / "users.csv", index=False)
    (folder / "shop.yaml").write_text(source.format(folder=folder))
    home = folder / "home"
    home.mkdir()
    (home / "mlflow.db").write_bytes(empty_mlflow.read_bytes())
    settings = load_settings().with_changes(
        source=str(folder / "shop.yaml"),
        home=home,
        horizon_days=14,
        sweep__families=["linear_rfm"],
        sweep__trials=1,
        snapshots__max_training=2,
    )
    ingest(settings, FIRST, END)
    validate(settings, FIRST, END)
    return settings


def the_split(settings):
    return read_result(settings, END, Split)


def retrained(settings):
    """The steps from features to a champion and the features to score; the champion as logged."""
    for step in (partial(build_features, purpose="training"), split, train.train):
        result = step(settings, END)
        write_result(settings, END, result)
    version = register.register(settings, END).version
    set_champion(settings, connect(settings), version)
    build_features(settings, END)
    return result.model


@pytest.fixture(scope="module")
def shop(tmp_path_factory, empty_mlflow):
    """A trained shop whose users register."""
    settings = made_shop(tmp_path_factory.mktemp("shop"), empty_mlflow)
    return settings, retrained(settings)


def predictions(settings):
    return tables.read(tables.connect(), settings, "predictions").to_pandas().set_index("user_id").sort_index()


def test_who_is_known_and_has_not_bought_is_in_a_table_of_their_own(shop):
    settings, _ = shop
    orders, users = simulated()
    snapshot = END - timedelta(days=28)
    names, _, found = read_labelled(
        settings, the_split(settings), [snapshot], ["region", "tenure"], TRAINING_WITHOUT_ORDERS
    )
    bought = set(orders[pd.to_datetime(orders.day).dt.date < snapshot].user_id)
    known = users[pd.to_datetime(users.registered).dt.date < snapshot].set_index("user_id").sort_index()
    expected = known[~known.index.isin(bought)]
    assert list(names) == list(expected.index)
    assert found.features["region"].tolist() == expected.region.tolist()
    tenure = [(snapshot - day).days for day in expected.registered]
    assert found.features["tenure"].tolist() == tenure
    spent = orders[(orders.day >= snapshot) & (orders.day < snapshot + timedelta(days=14))].groupby("user_id").amount
    np.testing.assert_allclose(found.future_spend, spent.sum().reindex(expected.index).fillna(0))
    others, _, _ = read_labelled(settings, the_split(settings), [snapshot])
    assert set(others) == bought


def test_they_are_scored_and_the_rows_say_from_what(shop):
    settings, _ = shop
    result = score(settings, END, NOON)
    rows = predictions(settings)
    orders, users = simulated()
    cold = rows[rows.basis == "attributes"]
    assert set(cold.index) == set(users.user_id) - set(orders.user_id)
    assert set(rows.index) == set(users.user_id)
    assert (result.rows, result.without_orders) == (USERS, len(cold))
    assert cold.reasons.str.startswith("no orders yet; ").all()
    north = users.set_index("user_id").region.reindex(cold.index) == "north"
    assert cold.reasons[north].str.contains("such users (area: north) spend", regex=False).all()
    assert cold.expected_spend[north].min() > cold.expected_spend[~north].max()
    assert cold.purchase_probability.between(0, 1).all()
    assert (cold.spend_low <= cold.spend_high).all()
    # the truth of the simulation: a first purchase in 14 days, and what follows it
    assert cold.purchase_probability[north].mean() == pytest.approx(1 - 0.98**14, abs=0.06)
    exported = pd.read_csv(settings.exports / f"scores_{END}.csv")
    assert exported.basis.value_counts().to_dict() == rows.basis.value_counts().to_dict()


def test_out_of_time_they_spend_what_was_said_and_the_segment_tells_who(shop):
    settings, logged = shop
    _, _, later = read_labelled(
        settings, the_split(settings), [END - timedelta(days=14)], ["region", "tenure"], TRAINING_WITHOUT_ORDERS
    )
    said = logged_model.load_model(settings, logged).predict_without_orders(later.features)
    assert said.expected_spend.sum() == pytest.approx(later.future_spend.sum(), rel=0.35)
    mean = said.assign(expected_spend=said.expected_spend.mean(), purchase_probability=0.5)
    table = compare(later, {"cold start": said, "mean": mean}, samples=50)
    assert table.loc["mean", "lead_ngini"] > 3 * table.loc["mean", "lead_ngini_se"]
    assert table.loc["mean", "lead_auc"] > 3 * table.loc["mean", "lead_auc_se"]


def test_where_users_are_known_from_their_first_order_on_nobody_else_is_scored(shop, tmp_path, empty_mlflow):
    settings, logged = shop
    orders, users = simulated()
    first = orders.groupby("user_id").day.min().rename("known")
    alone = made_shop(tmp_path, empty_mlflow, users=users.drop(columns="known").merge(first, on="user_id"))
    other = logged_model.load_model(alone, retrained(alone))
    result = score(alone, END, NOON)
    assert (result.rows, result.without_orders) == (orders.user_id.nunique(), 0)
    assert set(predictions(alone).basis) == {"orders"}
    assert other.cold_start.learned_from == "customers"  # fewer newcomers than can be learned from
    # nor did those who only registered change anything for the others
    model = logged_model.load_model(settings, logged)
    _, _, labelled = read_labelled(settings, the_split(settings), [END - timedelta(days=14)])
    pd.testing.assert_frame_equal(model.predict(labelled.features), other.predict(labelled.features))
    assert model.cold_start.learned_from == "without_orders"


def test_a_champion_from_before_there_was_a_cold_start_scores_the_others(shop, monkeypatch):
    from dataclasses import replace

    from pipelines import score as module

    settings, logged = shop
    old = replace(logged_model.load_model(settings, logged), cold_start=None)
    monkeypatch.setattr(module, "load_champion", lambda _: ("1", old))
    result = score(settings, END, NOON)
    assert result.without_orders == 0
    assert any("users without orders are not scored" in line for line in result.warnings)


def test_nothing_is_learned_from_users_without_a_date(tmp_path, empty_mlflow):
    undated = WITH_USERS.replace("valid_from: known, registered_at: registered, ", "")
    settings = made_shop(tmp_path, empty_mlflow, SOURCE + undated)
    assert build_features(settings, END, "training").rows_without_orders == 0
    assert build_features(settings, END, "scoring").rows_without_orders > 0


def test_without_a_users_table_there_is_no_table_of_them(tmp_path, empty_mlflow):
    settings = made_shop(tmp_path, empty_mlflow, SOURCE)
    write_result(settings, END, build_features(settings, END, "training"))
    done = split(settings, END)
    write_result(settings, END, done)
    assert done.rows_without_orders == 0
    assert not tables.exists(settings, WITHOUT_ORDERS)
    ((cohort,), *_) = read_cohorts(settings, the_split(settings), [[END - timedelta(days=28)]]).values()
    assert (len(cohort.rows), cohort.users, cohort.is_enough) == (0, 0, False)
