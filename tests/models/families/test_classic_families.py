"""What is particular to one of the classic families; what all promise is in test_families.py."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from models.families.gradient_boosting import BINS, GradientBoosting
from models.families.svm import SupportVectors
from models.protocol import LabelledUsers

Users = Callable[..., LabelledUsers]


def test_svm_learns_from_a_sample_and_its_probability_is_calibrated(users: Users) -> None:
    model, later = SupportVectors(seed=0, rows=2_000).fit(users(6_000)), users(6_000, seed=1)
    predictions = model.predict(later.features)["purchase_probability"]
    for group in np.array_split(np.argsort(predictions), 4):
        assert predictions.iloc[group].mean() == pytest.approx(later.purchased.iloc[group].mean(), abs=0.06)
    assert model.kernel.components_.shape[0] == model.landmarks


def test_svm_predicts_in_chunks_as_at_once(users: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    model, later = SupportVectors(seed=0).fit(users(300)), users(50, seed=1).features
    whole = model.predict(later)
    monkeypatch.setattr("models.families.svm.CHUNK", 7)
    np.testing.assert_allclose(model.predict(later), whole, rtol=1e-6)
    assert model.predict(later.iloc[:0]).empty


def test_gradient_boosting_takes_a_category_of_many_values(users: Users) -> None:
    training = users(500)
    areas = [f"area {number % (BINS + 50)}" for number in range(500)]
    training = replace(training, features=training.features.assign(region=areas))
    assert np.isfinite(GradientBoosting(seed=0, threads=1).fit(training).predict(training.features).to_numpy()).all()
