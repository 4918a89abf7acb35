"""Each policy against NumPy by hand, and every kind of column that has nothing to learn from."""

import pickle

import numpy as np
import pandas as pd
import pytest

from models.preprocessing import Preprocessing, limits

VALUES = np.array([1.0, 2.0, 2.0, 3.0, 4.0, 5.0, np.nan, 90.0])
KNOWN = VALUES[~np.isnan(VALUES)]


def features(values=VALUES):
    known = [None if np.isnan(value) else "north" for value in values]
    return pd.DataFrame({"spend_28d": values, "purchase_days_28d": np.arange(len(values)) + 0.0, "region": known})


def transformed(training=None, later=None, **policies):
    training = features() if training is None else training
    return Preprocessing(**policies).fit(training).transform(training if later is None else later)


def test_by_default_the_features_stay_as_they_are():
    given = features()
    assert Preprocessing().fit(given).transform(given) is given


@pytest.mark.parametrize(("policy", "by_hand"), [("median", np.median), ("mean", np.mean)])
def test_gaps_are_filled_with_what_the_training_window_says(policy, by_hand):
    later = pd.DataFrame({"spend_28d": [np.nan, 7.0], "purchase_days_28d": 0.0, "region": ["south", None]})
    said = transformed(later=later, missing={"spend_28d": policy})
    assert said["spend_28d"].tolist() == [by_hand(KNOWN), 7.0]
    assert said["region"].isna().tolist() == [False, True]  # nothing is declared for it


def test_a_gap_of_text_is_a_category_of_its_own_and_of_a_number_a_column_beside_it():
    said = transformed(missing={"*": "category"})
    assert said["region"].tolist() == ["north"] * 6 + ["missing", "north"]
    assert said["spend_28d_is_missing"].tolist() == [0.0] * 6 + [1.0, 0.0]
    assert np.isnan(said["spend_28d"][6])
    assert said["purchase_days_28d_is_missing"].eq(0).all()


def test_of_text_a_median_is_a_category():
    assert transformed(missing={"*": "median"})["region"][6] == "missing"


def test_a_category_that_training_has_not_seen_is_left_to_the_families():
    later = features().assign(region="moon")
    assert transformed(later=later, missing={"region": "category"})["region"].eq("moon").all()


def test_a_column_is_dropped():
    preprocessing = Preprocessing({"purchase_days_*": "drop"}).fit(features())
    assert preprocessing.drops("purchase_days_28d")
    assert preprocessing.dropped == ["purchase_days_28d"]
    assert list(preprocessing.transform(features())) == ["spend_28d", "region"]


FIRST, THIRD = np.percentile(KNOWN, [25, 75])
BY_HAND = {
    "fences": (FIRST - 1.5 * (THIRD - FIRST), THIRD + 1.5 * (THIRD - FIRST)),
    "zscore": (KNOWN.mean() - 3 * KNOWN.std(), KNOWN.mean() + 3 * KNOWN.std()),
    "quantiles": tuple(np.percentile(KNOWN, [1, 99])),
}


@pytest.mark.parametrize("detection", list(BY_HAND))
def test_outliers_are_held_at_the_limits_of_the_training_window_also_later(detection):
    low, high = BY_HAND[detection]
    assert limits(pd.Series(VALUES), detection) == pytest.approx((low, high))
    later = features(np.array([-1e6, 3.0, 1e6, np.nan]))
    said = transformed(later=later, outliers={"*": detection}, winsorise=["spend_28d"])["spend_28d"]
    assert said[:3].tolist() == pytest.approx([low, 3.0, high])
    assert np.isnan(said[3])


def test_a_mean_is_of_values_within_the_limits():
    said = transformed(missing={"spend_28d": "mean"}, winsorise=["spend_28d"])
    assert said["spend_28d"][6] == pytest.approx(np.clip(KNOWN, *BY_HAND["fences"]).mean())


def test_outliers_are_reported_also_where_they_are_kept():
    report = (
        Preprocessing(outliers={"purchase_days_28d": "zscore"}).fit(features()).report(features()).set_index("column")
    )
    assert report.loc["spend_28d", "outside_share"] == pytest.approx(1 / 7)
    assert report.loc["spend_28d", "missing_share"] == pytest.approx(1 / 8)
    assert report.loc["spend_28d", "high"] == pytest.approx(BY_HAND["fences"][1])
    assert report.loc["purchase_days_28d", ["detection", "outside_share"]].tolist() == ["zscore", 0.0]
    assert report.loc["region", "outside_share"] == 0
    assert report["outliers"].eq("keep").all()


@pytest.mark.parametrize("values", [np.full(8, 5.0), np.full(8, np.nan), np.empty(0), np.array([0.0] * 7 + [9.0])])
def test_columns_without_spread_have_no_limits_and_no_outliers(values):
    given = features(values)
    policies = {"missing": {"spend_*": "median"}, "winsorise": ["spend_*"]}
    preprocessing = Preprocessing(**policies).fit(given)
    assert preprocessing.limits == {}
    expected = np.where(np.isnan(values), 0.0, values)
    assert preprocessing.transform(given)["spend_28d"].tolist() == expected.tolist()
    assert preprocessing.report(given)["outside_share"].eq(0).all()


def test_a_name_goes_before_a_pattern_and_a_longer_pattern_before_a_shorter():
    said = transformed(missing={"*": "drop", "spend_*": "median", "spend_28d": "mean", "purchase*": "keep"})
    assert list(said) == ["spend_28d", "purchase_days_28d"]
    assert said["spend_28d"][6] == pytest.approx(KNOWN.mean())


def test_lists_of_actions_are_left_alone():
    given = features().assign(sequence_spend=[[1.0]] * len(VALUES))
    assert "sequence_spend" in transformed(given, missing={"*": "median"})


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ({"missing": {"spned_*": "drop"}}, r"preprocessing.missing names 'spned_\*', which matches none of the 3"),
        ({"winsorise": ["age"]}, "preprocessing.winsorise names 'age'"),
        ({"missing": {"*": "drop"}}, "drops all 3 features"),
    ],
)
def test_policies_that_cannot_be_meant(policies, message):
    with pytest.raises(ValueError, match=message):
        Preprocessing(**policies).fit(features())


def test_a_feature_that_is_missing_at_scoring_is_named():
    preprocessing = Preprocessing({"*": "median"}).fit(features())
    with pytest.raises(ValueError, match="first 'spend_28d'"):
        preprocessing.transform(features().drop(columns="spend_28d"))


def test_it_is_the_same_after_pickling():
    fitted = Preprocessing({"*": "median"}, winsorise=["*"]).fit(features())
    again = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    pd.testing.assert_frame_equal(again.transform(features()), fitted.transform(features()))
