"""Learners that see what a buy-till-you-die model expects."""

import pickle
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from models import catalog
from models.btyd.features import COLUMNS, WithBtydFeatures
from models.btyd.model import BuyTillYouDie
from models.encoding import grows_with_history
from models.protocol import LabelledUsers, SpendModel

ALL = COLUMNS["all"]
Users = Callable[..., LabelledUsers]
TAKERS = [name for name, family in catalog.FAMILIES.items() if family.btyd_features is not None]
takers = pytest.mark.parametrize("family", TAKERS)


class Remembers(SpendModel):
    """A learner that only keeps what it is shown."""

    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> "Remembers":
        self.training, self.validation = training, validation
        return self

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        return features


def build(family: str, **params: str) -> SpendModel:
    return catalog.build(family, params, seed=0, threads=1, horizon_days=28)


def test_the_columns_are_those_of_a_model_of_the_training_set_alone(users: Users) -> None:
    training, validation, later = users(300), users(100, seed=1), users(50, seed=2).features
    model = WithBtydFeatures(Remembers(), 28, "all").fit(training, validation)
    alone = BuyTillYouDie(model.process, 28).fit(training)
    shown = {"training": training.features, "validation": validation.features, "later": later}
    seen = {
        "training": model.learner.training.features,
        "validation": model.learner.validation.features,
        "later": model.predict(later),
    }
    for name, features in shown.items():
        said, columns = alone.predict(features), seen[name][list(ALL)]
        np.testing.assert_allclose(columns["btyd_spend"], said["expected_spend"], rtol=1e-12)
        np.testing.assert_allclose(columns["btyd_probability"], said["purchase_probability"], rtol=1e-12)
        np.testing.assert_allclose(
            columns["btyd_purchases"] * columns["btyd_spend_per_purchase"], said["expected_spend"], rtol=1e-12
        )
        assert columns["btyd_alive"].between(0, 1).all()
        pd.testing.assert_frame_equal(seen[name].drop(columns=list(ALL)), features)
    assert model.learner.training.future_spend is training.future_spend


def test_without_a_validation_set(users: Users) -> None:
    assert WithBtydFeatures(Remembers(), 28, "all").fit(users(100)).learner.validation is None


@takers
def test_every_learner_that_can_sees_the_columns_and_travels_with_what_they_come_from(
    family: str, users: Users
) -> None:
    training, later = users(400), users(60, seed=1).features
    model = build(family, btyd_features="all").fit(training)
    encoder = model.encoder
    assert set(ALL) <= set(getattr(encoder, "columns", []) or encoder.numbers)
    said = model.predict(later)
    assert np.isfinite(said.to_numpy()).all()
    copy = pickle.loads(pickle.dumps(model))  # noqa: S301 - made in the line itself
    pd.testing.assert_frame_equal(copy.predict(later), said)
    pd.testing.assert_frame_equal(model.predict(later.iloc[[7]]), said.iloc[[7]], rtol=1e-4)


@takers
def test_off_is_the_learner_itself(family: str) -> None:
    assert not isinstance(build(family, btyd_features="none"), WithBtydFeatures)
    chosen = getattr(build(family), "btyd_features", "none")
    assert chosen == catalog.FAMILIES[family].btyd_features


def test_hyperparameters_are_the_learners() -> None:
    model = catalog.build("bagging", {"btyd_features": "spend", "depth": 7}, seed=0, threads=1, horizon_days=28)
    assert (model.btyd_features, model.depth) == ("spend", 7)
    with pytest.raises(AttributeError):
        _ = model.leaves


def test_no_column_is_taken_for_one_that_grows_with_the_history() -> None:
    assert not any(grows_with_history(name) for name in ALL)


@pytest.mark.parametrize("family", ["linear_rfm", "bg_nbd", "mlp"])
def test_others_refuse_them(family: str) -> None:
    with pytest.raises(ValueError, match="btyd_features"):
        build(family, btyd_features="all")


def test_unknown_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="found 'some'"):
        build("ridge_rfm", btyd_features="some")


def test_only_the_chosen_columns_are_shown(users: Users) -> None:
    model = WithBtydFeatures(Remembers(), 28, "spend").fit(users(100))
    assert set(model.learner.training.features) - set(users(100).features) == {"btyd_spend"}
