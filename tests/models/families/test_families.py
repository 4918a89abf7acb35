"""What every family promises, whatever the data."""

import os
import pickle
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models import catalog
from models.measures.gini import normalized_gini
from models.protocol import LabelledUsers, SpendModel

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

Users = Callable[..., LabelledUsers]
families = pytest.mark.parametrize("family", list(catalog.FAMILIES))


def build(family: str) -> SpendModel:
    params = {"epochs": 2} if catalog.is_network(family) else {}
    if "spend_network" in catalog.FAMILIES[family].builder:
        params["members"] = 1
    return catalog.build(family, params, seed=0, threads=1, horizon_days=28)


def check(predictions: pd.DataFrame, features: pd.DataFrame) -> None:
    assert list(predictions.columns) == ["expected_spend", "purchase_probability"]
    assert predictions.index.equals(features.index)
    assert np.isfinite(predictions.to_numpy()).all()
    assert (predictions >= 0).all().all()
    assert (predictions["purchase_probability"] <= 1).all()


@families
def test_predicts_survives_pickling_and_repeats(family: str, users: Users) -> None:
    training, later = users(600), users(200, seed=1).features.set_index(np.arange(200) + 5_000)
    model = build(family).fit(training, users(100, seed=2))
    said = model.predict(later)
    check(said, later)
    copy = pickle.loads(pickle.dumps(model))  # noqa: S301  (made in the line itself)
    pd.testing.assert_frame_equal(copy.predict(later), said)
    pd.testing.assert_frame_equal(build(family).fit(training, users(100, seed=2)).predict(later), said)


@families
def test_a_user_alone_gets_the_same_prediction_as_among_others(family: str, users: Users) -> None:
    model, later = build(family).fit(users(300)), users(50, seed=1).features
    pd.testing.assert_frame_equal(model.predict(later.iloc[[7]]), model.predict(later).iloc[[7]], rtol=1e-4)


HARD: dict[str, Callable[[LabelledUsers], LabelledUsers]] = {
    "no buyer": lambda u: replace(u, future_spend=u.future_spend * 0, purchased=u.purchased & False),
    "constant": lambda u: replace(u, future_spend=u.future_spend * 0 + 7, purchased=u.purchased | True),
    "only returns": lambda u: replace(u, future_spend=-u.future_spend),
    "null column": lambda u: replace(u, features=u.features.assign(spend_28d=np.nan)),
    "one user": lambda u: LabelledUsers(u.features.iloc[:1], u.future_spend.iloc[:1], u.purchased.iloc[:1]),
}


@families
@pytest.mark.parametrize("spoil", HARD.values(), ids=HARD)
def test_hard_training_sets(family: str, spoil: Callable[[LabelledUsers], LabelledUsers], users: Users) -> None:
    later = users(30, seed=1).features
    check(build(family).fit(spoil(users(120))).predict(later), later)


@families
def test_strange_users(family: str, users: Users) -> None:
    later = users(4, seed=1).features
    numbers = later.select_dtypes("number").columns
    later.loc[0, numbers], later.loc[1, numbers], later.loc[2, numbers] = np.nan, 1e9, -1e6
    later.loc[3, "region"] = "mars"
    check(build(family).fit(users(300)).predict(later), later)


@pytest.mark.parametrize("family", [name for name in catalog.FAMILIES if name != "previous_window"])
def test_nobody_to_train_on(family: str, users: Users) -> None:
    with pytest.raises(ValueError, match="at least one user"):
        build(family).fit(users(0))


@pytest.mark.parametrize("family", [name for name in catalog.FAMILIES if name != "mean"])
def test_finds_who_spends(family: str, users: Users) -> None:
    later = users(2_000, seed=1)
    model = catalog.build(family, {}, seed=0, threads=1, horizon_days=28).fit(users(4_000))
    assert normalized_gini(later.future_spend, model.predict(later.features)["expected_spend"]) > 0.5


def test_one_enormous_order_does_not_move_everyone(users: Users) -> None:
    training = users(600)
    spend = training.future_spend.copy()
    spend.iloc[int(spend.argmax())] = 1e9
    said = build("lightgbm_hurdle").fit(replace(training, future_spend=spend)).predict(training.features)
    assert said["expected_spend"].max() < 1e5


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="found 'xgboost'"):
        catalog.build("xgboost", {}, seed=0, threads=1, horizon_days=28)
    with pytest.raises(ValueError, match="can't be built"):
        catalog.build("random_forest", {"deep": 3}, seed=0, threads=1, horizon_days=28)
