import hashlib
from datetime import date

import numpy as np
import pandas as pd
import pytest

from models import catalog
from models.protocol import LabelledUsers, SpendModel
from pipelines.results.result import read_result
from pipelines.results.training import Split
from pipelines.retraining.study.trial import Fold, read_folds, run_trial
from pipelines.retraining.training_set import read_labelled, user_folds


class Recorder(SpendModel):
    """Notes the users it is fitted on, and says of each user how often it was asked about them."""

    def __init__(self, seen):
        self.seen = seen

    def fit(self, training, validation=None):  # noqa: ARG002
        self.seen.append([set(training.features.user_id), None])
        return self

    def predict(self, features):
        self.seen[-1][1] = set(features.user_id)
        return pd.DataFrame({"expected_spend": features.spend, "purchase_probability": 0.5}, index=features.index)


def users(names, seed):
    random = np.random.default_rng(seed)
    spend = pd.Series(random.gamma(1, 10, len(names)))
    return LabelledUsers(pd.DataFrame({"user_id": names, "spend": spend + random.random(len(names))}), spend, spend > 5)


@pytest.mark.parametrize("folds", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_with_user_folds_nobody_is_predicted_by_a_model_that_saw_them(settings, monkeypatch, folds, seed):
    random = np.random.default_rng(seed)
    names = [f"user-{number}" for number in random.permutation(200)]
    training, validation = users(names[:120] * 2, seed), users(names[60:], seed + 1)
    parts = [user_folds(part.features.user_id, folds) for part in (training, validation)]
    seen = []
    monkeypatch.setattr(catalog, "build", lambda *_, **__: Recorder(seen))
    settings = settings.with_changes(snapshots__user_folds=folds)
    (said,), values = run_trial(settings, "mean", {}, [Fold(training, validation, *parts)], 28)
    np.testing.assert_array_equal(said, validation.features.spend)  # in the order of the rows
    assert len(seen) == folds
    asked = [name for _, predicted in seen for name in predicted]
    assert sorted(asked) == sorted(names[60:])
    assert ("validation_ngini_fold_1_users_1" in values) == (folds > 1)
    if folds == 1:
        assert seen[0][0] == set(names[:120])
    else:
        assert all(fitted.isdisjoint(predicted) for fitted, predicted in seen)


def test_a_user_is_in_the_same_fold_everywhere_and_the_folds_are_about_even():
    names = pd.Series([f"user-{number}" for number in range(3_000)])
    folds = user_folds(names, 3)
    digest = hashlib.md5(b"purse.user_fold:user-7", usedforsecurity=False).hexdigest()
    assert folds[7] == int(digest[:8], 16) % 3
    np.testing.assert_array_equal(user_folds(names[::-1], 3), folds[::-1])
    assert np.bincount(folds).min() > 900
    assert not user_folds(names, 1).any()
    assert len(user_folds(names[:0], 2)) == 0


def test_the_folds_of_a_split_follow_its_rows(shop, snapshot_date):
    shop = shop.with_changes(snapshots__user_folds=2)
    split = read_result(shop, snapshot_date, Split)
    first = read_folds(shop, split)[0]
    user_id, _, labelled = read_labelled(shop, split, [date(2020, 2, 2)])
    pd.testing.assert_frame_equal(first.validation.features, labelled.features)
    np.testing.assert_array_equal(first.validation_part, user_folds(user_id, 2))
    assert len(first.training_part) == len(first.training)


def test_a_prediction_that_is_no_number_fails_the_trial(settings, monkeypatch):
    one = users(["a", "b"], 0)
    one.features.loc[0, "spend"] = np.nan
    parts = np.zeros(2, dtype=np.intp)
    monkeypatch.setattr(catalog, "build", lambda *_, **__: Recorder([]))
    with pytest.raises(ValueError, match="1 of 2 predictions are not finite"):
        run_trial(settings, "mean", {}, [Fold(one, one, parts, parts)], 28)


class Told(SpendModel):
    """Notes the features that it is shown."""

    def __init__(self, shown):
        self.shown = shown

    def fit(self, training, validation=None):  # noqa: ARG002
        self.shown.append(training.features)
        return self

    def predict(self, features):
        self.shown.append(features)
        return pd.DataFrame({"expected_spend": 1.0, "purchase_probability": 0.5}, index=features.index)


def test_policies_are_learned_on_each_folds_training_rows_alone(settings, monkeypatch):
    random, shown = np.random.default_rng(0), []
    spend = pd.Series(random.gamma(1, 10, 200))
    training = LabelledUsers(pd.DataFrame({"spend": spend.where(spend.index % 5 > 0)}), spend, spend > 5)
    later = LabelledUsers(pd.DataFrame({"spend": [np.nan, 1e9]}), pd.Series([1.0, 2.0]), pd.Series([True, False]))
    nobody = [np.zeros(len(training), dtype=np.intp), np.zeros(2, dtype=np.intp)]
    monkeypatch.setattr(catalog, "build", lambda *_, **__: Told(shown))
    policies = {"preprocessing__missing": {"*": "median"}, "preprocessing__winsorise": ["spend"]}
    run_trial(settings.with_changes(**policies), "mean", {}, [Fold(training, later, *nobody)], 28)
    known = training.features.spend.dropna()
    first, third = np.percentile(known, [25, 75])
    highest = third + 1.5 * (third - first)
    median = np.median(known.clip(upper=highest))
    fitted, predicted = shown
    assert fitted.spend.isna().sum() == 0
    assert fitted.spend.max() == pytest.approx(highest)
    assert predicted.spend.tolist() == pytest.approx([median, highest])
