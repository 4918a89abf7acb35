import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from models.cold_start.model import ColdStart
from models.cold_start.segment_mean import SegmentMean
from models.preprocessing import Preprocessing
from models.protocol import LabelledUsers
from models.purchasing_power import Member, PurchasingPower, build
from models.score import calibration
from models.score.intervals import LEVELS, Intervals

SHARES = {"high": 0.2, "mid": 0.3}
PHRASES = {"spend_28d": "spent {value:,.0f} in the last 28 days", "spend_7d": "spent {value:,.0f} last week"}


@dataclass
class Known:
    """A member whose answer is known: a multiple of last month's spend, and one probability."""

    factor: float
    probability: float

    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> "Known":  # noqa: ARG002
        return self

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        spend = features["spend_28d"] * self.factor
        return pd.DataFrame({"expected_spend": spend, "purchase_probability": self.probability}, index=features.index)


REFERENCE = pd.DataFrame({"spend_28d": np.arange(1_000.0), "spend_7d": 1.0, "region": "north"})
MEMBERS = [Member(0.25, Known(1, 0.2), "a"), Member(0.75, Known(3, 0.6), "b")]


def blend(members: list[Member] = MEMBERS, reference: pd.DataFrame = REFERENCE, ratio: float = 1.0) -> PurchasingPower:
    return build(
        members,
        reference,
        horizon_days=28,
        calibration=calibration.fit([], []),
        intervals=Intervals(np.array([1.0]), 2.0 * LEVELS[None, :], unit=1.0),
        phrases=PHRASES,
        tier_shares=SHARES,
        top_reasons=3,
        windows=ratio,
    )


def test_the_blend_is_the_weighted_mean() -> None:
    predictions = blend().predict(REFERENCE.iloc[[100]])
    assert predictions["expected_spend"].item() == pytest.approx(0.25 * 100 + 0.75 * 300)
    assert predictions["purchase_probability"].item() == pytest.approx(0.5)


def test_a_longer_horizon_compounds_probability() -> None:
    predictions = blend(ratio=3.0).predict(REFERENCE.iloc[[100]])
    assert predictions["purchase_probability"].item() == pytest.approx(1 - 0.5**3)


def test_another_level_moves_the_money_and_nothing_else() -> None:
    before, after = blend().predict(REFERENCE), blend().levelled(REFERENCE, 5_000.0).predict(REFERENCE)
    assert after["expected_spend"].sum() == pytest.approx(5_000)
    assert (after["expected_spend"] / before["expected_spend"]).iloc[1:].std() == pytest.approx(0)
    money = ["expected_spend", "spend_low", "spend_high"]
    pd.testing.assert_frame_equal(after.drop(columns=money), before.drop(columns=money))
    assert (after["spend_low"] <= after["expected_spend"]).all()
    assert (after["spend_high"] >= after["expected_spend"]).all()


def test_a_level_for_nobody_or_of_nothing_leaves_finite_money() -> None:
    assert blend().levelled(REFERENCE.iloc[:0], 5.0).predict(REFERENCE)["expected_spend"].sum() > 0
    assert blend().levelled(REFERENCE, 0.0).predict(REFERENCE)["spend_high"].between(0, 1e9).all()


def test_score_is_the_percentile_and_tiers_are_its_shares() -> None:
    predictions = blend().predict(REFERENCE)
    np.testing.assert_allclose(predictions["score"], np.arange(1_000) / 10, atol=0.2)
    assert predictions["tier"].value_counts().to_dict() == pytest.approx({"low": 500, "mid": 300, "high": 200}, abs=2)
    assert (
        predictions.groupby("tier")["expected_spend"].min()["high"]
        > predictions.groupby("tier")["expected_spend"].max()["mid"]
    )


def test_a_user_scored_alone_gets_the_same_row() -> None:
    model = blend()
    pd.testing.assert_frame_equal(model.predict(REFERENCE.iloc[[3, 700]]), model.predict(REFERENCE).iloc[[3, 700]])


def test_all_alike_stand_in_the_middle_without_reasons() -> None:
    alike = REFERENCE.assign(spend_28d=5.0)
    predictions = blend(reference=alike).predict(alike)
    assert predictions["score"].unique().tolist() == [50]
    assert predictions["tier"].unique().tolist() == ["mid"]
    assert predictions["reasons"].unique().tolist() == [""]


def test_above_and_below_the_reference() -> None:
    predictions = blend().predict(pd.DataFrame({"spend_28d": [-9.0, 1e9], "spend_7d": 1.0, "region": "mars"}))
    assert predictions["score"].tolist() == pytest.approx([0, 100], abs=0.1)
    assert predictions["tier"].tolist() == ["low", "high"]


def test_policies_are_applied_before_the_members_see_a_user() -> None:
    policies = Preprocessing({"spend_28d": "median", "region": "drop"}, winsorise=["spend_28d"]).fit(REFERENCE[:100])
    model = replace(blend(), preprocessing=policies)
    later = pd.DataFrame({"spend_28d": [np.nan, 1e9, 7.0], "spend_7d": 1.0, "region": "north"})
    held = pd.DataFrame({"spend_28d": [49.5, 74.25 + 1.5 * 49.5, 7.0], "spend_7d": 1.0, "region": "north"})
    predictions, expected = model.predict_spend(later), blend().predict_spend(held)
    pd.testing.assert_frame_equal(predictions, expected)
    total = model.levelled(later, 500.0).predict_spend(later)["expected_spend"].sum()
    assert total == pytest.approx(500)


def test_a_dropped_column_is_no_reason_for_a_score() -> None:
    reference = REFERENCE.assign(spend_7d=REFERENCE["spend_28d"])
    policies = Preprocessing({"spend_7d": "drop"}).fit(reference)
    predictions = build(
        MEMBERS,
        reference,
        horizon_days=28,
        calibration=calibration.fit([], []),
        intervals=Intervals(np.array([1.0]), 2.0 * LEVELS[None, :], unit=1.0),
        phrases=PHRASES,
        tier_shares=SHARES,
        top_reasons=3,
        preprocessing=policies,
    ).predict(reference)
    assert not predictions["reasons"].str.contains("last week").any()
    assert predictions["reasons"].str.contains("last 28 days").any()


def test_a_model_pickled_before_there_was_preprocessing_predicts_as_it_did() -> None:
    old = blend()
    del vars(old)["preprocessing"]
    again = replace(pickle.loads(pickle.dumps(old)))  # noqa: S301
    pd.testing.assert_frame_equal(again.predict(REFERENCE), blend().predict(REFERENCE))


def cold_start(mean: float = 0.5) -> ColdStart:
    """The mean user without orders spends `mean` times what the mean customer spends; two regions, one user each."""
    segments = SegmentMean()
    segments.columns, segments.estimates = (
        ["region"],
        [np.array([[mean, 0.5]]), np.array([[2 * mean, 0.6], [0.0, 0.4]])],
    )
    segments.segments = [pd.MultiIndex.from_tuples([("north",), ("south",)], names=["region"])]
    bounds = Intervals(np.array([1.0]), 3.0 * LEVELS[None, :], unit=mean)
    return ColdStart(segments, None, None, 1.0, 1.0, bounds, "without_orders", None, {"region": "area: {value}"})


def test_users_without_orders_follow_the_level_and_stand_among_those_with_orders() -> None:
    model = replace(blend(), cold_start=cold_start()).levelled(REFERENCE, 5_000.0)
    predictions = model.predict_without_orders(pd.DataFrame({"region": ["north", "south", "mars"]}))
    assert list(predictions.columns) == list(model.predict(REFERENCE).columns)
    # the mean customer spends 5; expected spend is proportional to the rank of the reference
    assert predictions["expected_spend"].tolist() == pytest.approx([5, 0, 2.5])
    # uniform up to three times a buyer's mean: 3 * 5 / .6 * (.8 - .4) / .6
    assert predictions["spend_high"].tolist() == pytest.approx([50 / 3, 0, 9])
    assert predictions["score"].tolist() == pytest.approx([50, 0, 25], abs=0.2)
    assert predictions["tier"].tolist() == ["mid", "low", "low"]
    assert predictions["purchase_probability"].tolist() == pytest.approx([0.6, 0.4, 0.5])
    assert predictions["basis"].tolist() == ["attributes"] * 3
    assert predictions["reasons"][0] == "no orders yet; such users (area: north) spend 5 in 28 days on average"
    assert predictions["reasons"][2] == "no orders yet; users without orders spend 2 in 28 days on average"


def test_a_longer_horizon_compounds_their_probability_too() -> None:
    predictions = replace(blend(ratio=3.0), cold_start=cold_start()).predict_without_orders(
        pd.DataFrame({"region": ["x"]})
    )
    assert predictions["purchase_probability"].item() == pytest.approx(1 - 0.5**3)


def test_a_model_from_before_the_cold_start_says_what_to_do() -> None:
    assert blend().predict(REFERENCE)["basis"].unique().tolist() == ["orders"]
    with pytest.raises(ValueError, match="train and promote a new one"):
        blend().predict_without_orders(pd.DataFrame({"region": ["north"]}))


def test_pickling_keeps_everything(users: Callable[..., LabelledUsers]) -> None:
    from models import catalog

    training, later = users(400), users(50, seed=1).features
    families = ("lightgbm_tweedie", "random_forest", "mlp")
    few = {"mlp": {"epochs": 1, "members": 1}}
    fitted = [catalog.build(f, few.get(f, {}), seed=0, threads=1, horizon_days=28).fit(training) for f in families]
    members = [Member(1 / 3, model, family) for model, family in zip(fitted, families, strict=True)]
    model = blend(members, training.features)
    copy = pickle.loads(pickle.dumps(model))  # noqa: S301  (made in the line itself)
    pd.testing.assert_frame_equal(copy.predict(later), model.predict(later))


def test_extra_columns_do_no_harm_and_missing_ones_are_named() -> None:
    model = blend()
    pd.testing.assert_frame_equal(model.predict(REFERENCE.assign(new=1)), model.predict(REFERENCE))
    with pytest.raises(ValueError, match="first 'spend_7d'"):
        model.predict(REFERENCE.drop(columns="spend_7d"))


def test_nothing_to_build_from() -> None:
    with pytest.raises(ValueError, match="found 0 and 1000"):
        blend(members=[])
