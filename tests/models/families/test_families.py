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
from tests.models.conftest import make_users

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

Users = Callable[..., LabelledUsers]


def build(family: str, **changes: int) -> SpendModel:
    """A model, of one network and two epochs where it is a network."""
    params = {"epochs": 2, "members": 1} | changes if catalog.is_network(family) else {}
    return catalog.build(family, params, seed=0, threads=1, horizon_days=28)


@pytest.fixture(scope="module", params=list(catalog.FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(family: str) -> SpendModel:
    """The family with its default hyperparameters, on many users; fitted once for all tests that only predict."""
    return build(family, epochs=16).fit(make_users(4_000))


def check(predictions: pd.DataFrame, features: pd.DataFrame) -> None:
    assert list(predictions.columns) == ["expected_spend", "purchase_probability"]
    assert predictions.index.equals(features.index)
    assert np.isfinite(predictions.to_numpy()).all()
    assert (predictions >= 0).all().all()
    assert (predictions["purchase_probability"] <= 1).all()


def test_predictions_survive_pickling(model: SpendModel, users: Users) -> None:
    later = users(200, seed=1).features.set_index(np.arange(200) + 5_000)
    predictions = model.predict(later)
    check(predictions, later)
    copy = pickle.loads(pickle.dumps(model))  # noqa: S301  (made in the line itself)
    pd.testing.assert_frame_equal(copy.predict(later), predictions)


def test_a_user_alone_gets_the_same_prediction_as_among_others(model: SpendModel, users: Users) -> None:
    later = users(50, seed=1).features
    pd.testing.assert_frame_equal(model.predict(later.iloc[[7]]), model.predict(later).iloc[[7]], rtol=1e-4)


def test_strange_users(model: SpendModel, users: Users) -> None:
    later = users(4, seed=1).features
    numbers = later.select_dtypes("number").columns
    later.loc[0, numbers], later.loc[1, numbers], later.loc[2, numbers] = np.nan, 1e9, -1e6
    later.loc[3, "region"] = "mars"
    check(model.predict(later), later)


def test_ranks_users_by_spend(family: str, model: SpendModel, users: Users) -> None:
    later = users(2_000, seed=1)
    ngini = normalized_gini(later.future_spend, model.predict(later.features)["expected_spend"])
    assert ngini == 0 if family == "mean" else ngini > 0.5


def test_the_same_seed_and_data_give_the_same_predictions(family: str, users: Users) -> None:
    training, validation, later = users(300), users(100, seed=2), users(50, seed=1).features
    once, again = (build(family).fit(training, validation).predict(later) for _ in range(2))
    pd.testing.assert_frame_equal(again, once)


HARD: dict[str, Callable[[LabelledUsers], LabelledUsers]] = {
    "no buyer": lambda u: replace(u, future_spend=u.future_spend * 0, purchased=u.purchased & False),
    "constant": lambda u: replace(u, future_spend=u.future_spend * 0 + 7, purchased=u.purchased | True),
    "only returns": lambda u: replace(u, future_spend=-u.future_spend),
    "null column": lambda u: replace(u, features=u.features.assign(spend_28d=np.nan)),
    "one user": lambda u: LabelledUsers(u.features.iloc[:1], u.future_spend.iloc[:1], u.purchased.iloc[:1]),
}


@pytest.mark.parametrize("spoil", HARD.values(), ids=HARD)
def test_hard_training_sets(family: str, spoil: Callable[[LabelledUsers], LabelledUsers], users: Users) -> None:
    later = users(30, seed=1).features
    check(build(family, epochs=1).fit(spoil(users(120))).predict(later), later)


def test_nobody_to_train_on(family: str, users: Users) -> None:
    if family == "previous_window":
        return  # it learns nothing
    with pytest.raises(ValueError, match="at least one user"):
        build(family).fit(users(0))


def test_one_enormous_order_does_not_move_everyone(users: Users) -> None:
    training = users(600)
    spend = training.future_spend.copy()
    spend.iloc[int(spend.argmax())] = 1e9
    predictions = build("lightgbm_hurdle").fit(replace(training, future_spend=spend)).predict(training.features)
    assert predictions["expected_spend"].max() < 1e5


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="found 'xgboost'"):
        catalog.build("xgboost", {}, seed=0, threads=1, horizon_days=28)
    with pytest.raises(ValueError, match="can't be built"):
        catalog.build("random_forest", {"deep": 3}, seed=0, threads=1, horizon_days=28)
