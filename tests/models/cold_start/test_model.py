"""The model of users without orders: never worse than the segment mean, at the level of the customers, in words."""

import pickle

import numpy as np
import pandas as pd
import pytest

from models.cold_start.learning import MIN_USERS, PRIOR_USERS, Cohort, fit, in_customers
from models.cold_start.model import Choice
from models.cold_start.segment_mean import SegmentMean
from models.measures.comparison import compare
from models.protocol import LabelledUsers

PHRASES = {"region": "area: {value}", "age_band": "age group: {value}", "views_28d": "viewed {value:,.0f} products"}
MEANS = {"north": 2.0, "south": 0.5, "missing": 1.0}


def users(count=2_000, seed=0, *, behaviour=0.0, level=1.0):
    """Spend by region and, if behaviour counts, by views."""
    random = np.random.default_rng(seed)
    region = random.choice(list(MEANS), count)
    views = random.poisson(5.0, count).astype(float)
    mean = level * np.array([MEANS[name] for name in region]) * (1 - behaviour + behaviour * views / 5)
    bought = random.random(count) < 0.3 * np.minimum(mean / level, 3)
    spend = np.where(bought, mean * random.exponential(1.0, count), 0.0)
    frame = pd.DataFrame({"region": region, "age_band": random.choice(["young", "old"], count), "views_28d": views})
    return Cohort(LabelledUsers(frame, pd.Series(spend), pd.Series(bought)), count)


def nobody():
    return Cohort(LabelledUsers(pd.DataFrame(), pd.Series(dtype=float), pd.Series(dtype=bool)), 0)


def fitted(final=None, fold=None, learned_from="without_orders", **changes):
    final = final or users()
    fold = fold or (users(seed=1), users(seed=2))
    given = {"recent": nobody(), "without_orders": nobody(), "phrases": PHRASES, "top_reasons": 3}
    return fit(final, fold, learned_from=learned_from, **(given | changes))


def test_where_only_the_segment_tells_its_mean_is_the_model():
    model, later = fitted(), users(seed=9)
    assert model.learner is None
    assert model.choice.gain < 2 * model.choice.standard_error
    predictions = model.predict(later.rows.features)
    mean = SegmentMean().fit(users().rows).predict(later.rows.features)
    pd.testing.assert_frame_equal(predictions[["expected_spend", "purchase_probability"]], mean)
    assert (predictions.spend_low <= predictions.spend_high).all()
    truth = later.rows.future_spend
    assert ((truth >= predictions.spend_low) & (truth <= predictions.spend_high)).mean() == pytest.approx(0.8, abs=0.07)


def test_behaviour_that_tells_makes_the_learner_the_model():
    made = {seed: users(seed=seed, behaviour=0.9) for seed in (0, 1, 2, 9)}
    model = fitted(made[0], (made[1], made[2]))
    assert model.choice.is_learner
    later = made[9].rows
    predictions = {"model": model.predict(later.features), "segments": model.segments.predict(later.features)}
    table = compare(later, predictions, samples=50)
    assert table.loc["segments", "lead_ngini"] > 2 * table.loc["segments", "lead_ngini_se"] > 0
    reasons = pd.Series(model.explain(later.features, 100.0, 28))
    assert reasons.str.contains("viewed").any()
    assert reasons.str.startswith("no orders yet; ").all()


@pytest.mark.parametrize(
    ("choice", "is_learner"),
    [
        (Choice(0.02, 0.005, 1.0, 0.99), True),
        (Choice(0.02, 0.005, 1.0, 1.01), False),
        (Choice(0.02, 0.02, 0.84, 0.99), False),
        (Choice(0.0, 0.0, 0.5, 1.0), False),
    ],
    ids=["better", "further off", "perhaps chance", "equal"],
)
def test_a_learner_has_to_be_better_in_order_and_no_worse_in_error(choice, is_learner):
    assert choice.is_learner is is_learner


def test_reasons_name_what_is_known_of_the_profile():
    predictions = pd.DataFrame({"region": ["north", "missing", "mars", None], "age_band": "new", "views_28d": 1.0})
    north, missing, mars, none = fitted().explain(predictions, 100.0, 28)
    assert north.startswith("no orders yet; such users (area: north) spend ")
    assert north.endswith(" in 28 days on average")
    assert missing.startswith("no orders yet; users without orders spend ")
    assert none == missing
    assert mars.startswith("no orders yet; users without orders spend ")


def test_few_users_without_orders_move_the_level_of_those_learned_from():
    few = users(count=50, seed=5, level=0.1)
    plain, moved, own = (
        fitted(learned_from=source, without_orders=cohort)
        for source, cohort in (("newcomers", nobody()), ("newcomers", few), ("without_orders", few))
    )
    predictions = plain.predict(few.rows.features)
    for factor, side, truth in (
        (moved.spend_factor, "expected_spend", few.rows.future_spend),
        (moved.probability_factor, "purchase_probability", few.rows.purchased),
    ):
        assert factor == pytest.approx(
            (50 * truth.mean() / predictions[side].mean() + PRIOR_USERS) / (50 + PRIOR_USERS)
        )
    spend = moved.predict(few.rows.features)["expected_spend"]
    np.testing.assert_allclose(spend, predictions["expected_spend"] * moved.spend_factor)
    assert [plain.spend_factor, plain.probability_factor, own.spend_factor, own.probability_factor] == [1] * 4


def test_the_newest_snapshot_sets_the_level():
    recent = users(count=1_800, seed=5, level=0.5)
    model = fitted(recent=recent)
    predictions, truth = model.predict(recent.rows.features)["expected_spend"].mean(), recent.rows.future_spend.mean()
    before = fitted().predict(recent.rows.features)["expected_spend"].mean()
    assert predictions == pytest.approx(0.9 * truth + 0.1 * before)
    assert model.intervals.unit == pytest.approx(fitted().intervals.unit * model.spend_factor)


def test_too_few_to_rehearse_is_the_segment_mean():
    few = users(count=MIN_USERS - 1)
    assert not few.is_enough
    model = fitted(users(), (few, users(seed=2)))
    assert (model.choice, model.learner) == (None, None)
    assert model.predict(few.rows.features).notna().all(axis=None)


def test_a_cohort_that_never_buys_is_not_enough():
    one = users().rows
    assert not Cohort(LabelledUsers(one.features, one.future_spend * 0, one.purchased & False), 2_000).is_enough


def test_without_profile_everyone_gets_the_mean():
    made = [users(seed=seed) for seed in range(3)]
    bare = [
        Cohort(LabelledUsers(one.rows.features[[]], one.rows.future_spend, one.rows.purchased), one.users)
        for one in made
    ]
    model = fitted(bare[0], (bare[1], bare[2]))
    predictions = model.predict(pd.DataFrame(index=["one", "two"]))
    assert predictions["expected_spend"].tolist() == pytest.approx([bare[0].rows.future_spend.mean()] * 2)
    assert model.learner is None


def test_where_nobody_spent_nobody_is_expected_to():
    rows = users().rows
    idle = Cohort(LabelledUsers(rows.features, rows.future_spend * 0, rows.future_spend < 0), 2_000)
    predictions = fitted(idle, (idle, idle)).predict(rows.features)
    assert predictions.eq(0).all(axis=None)


def test_money_is_in_multiples_of_the_mean_customer():
    customers = LabelledUsers(pd.DataFrame(index=range(4)), pd.Series([0.0, 0.0, 10.0, 30.0]), pd.Series([False] * 4))
    one = LabelledUsers(pd.DataFrame(index=[7, 8]), pd.Series([5.0, -3.0], [7, 8]), pd.Series([True, False], [7, 8]))
    # the quantile at which one enormous order would be cut is 29.8
    assert in_customers(one, customers).future_spend.to_dict() == pytest.approx({7: 5 / 9.95, 8: 0})
    idle = LabelledUsers(customers.features, customers.future_spend * 0, customers.purchased)
    assert in_customers(one, idle).future_spend.to_dict() == {7: 5, 8: 0}
    nobody_here = LabelledUsers(one.features[:0], one.future_spend[:0], one.purchased[:0])
    assert len(in_customers(nobody_here, customers)) == 0


def test_pickling_keeps_everything_and_one_user_gets_the_same_answer():
    made = {seed: users(seed=seed, behaviour=0.9) for seed in (0, 1, 2)}
    model, later = fitted(made[0], (made[1], made[2])), users(seed=9, behaviour=0.9).rows.features
    copy = pickle.loads(pickle.dumps(model))  # noqa: S301  (made in the line itself)
    pd.testing.assert_frame_equal(copy.predict(later), model.predict(later))
    pd.testing.assert_frame_equal(copy.predict(later.iloc[[5]]), model.predict(later).iloc[[5]])
    assert copy.explain(later.iloc[[5]], 10.0, 28) == [model.explain(later, 10.0, 28)[5]]
