"""Who the users are and what they are up to: the effects that are built in must be in the data."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from marketplace.catalogue import CATEGORIES, make_catalogue
from marketplace.habits import make_habits
from marketplace.plan import Plan, Stream
from marketplace.population import make_profiles
from marketplace.state import NO_PLAN, PLANNED, State


@pytest.fixture(scope="module")
def many():
    """Profiles and habits of 20,000 users."""
    plan = Plan(20_000, 90, 0, date(2024, 1, 1))
    random = plan.random(Stream.USERS)
    profiles = make_profiles(plan, random)
    return plan, profiles, make_habits(profiles, make_catalogue(plan), random)


def test_profiles_explain_a_part_of_the_budget_and_not_all_of_it(many):
    _, profiles, _ = many
    log_budget = np.log(profiles.budget)
    groups = pd.Series(log_budget).groupby([profiles.occupation, profiles.city]).transform("mean")
    explained = groups.var() / log_budget.var()
    assert 0.1 < explained < 0.5
    by_occupation = pd.Series(log_budget).groupby(profiles.occupation).mean()
    assert by_occupation[9] > by_occupation[0] + 1  # managers and students


def test_registrations_are_before_and_during_the_simulation(many):
    _, profiles, _ = many
    assert abs((profiles.registered_day < 0).mean() - 0.65) < 0.02
    assert profiles.registered_day.min() >= -365
    assert profiles.registered_day.max() == 89
    assert (np.diff(profiles.registered_day) >= 0).all()


def test_the_share_that_stays_is_a_pareto_ii_curve(many):
    _, profiles, habits = many
    stays = habits.leaves - profiles.registered_day
    for days in (30, 90, 365):
        assert abs((stays > days).mean() - (1 + (days - 1) / 170) ** -0.8) < 0.02


def test_favourites_follow_gender_and_age(many):
    _, profiles, habits = many
    names = [category.name for category in CATEGORIES]
    women, men = (np.isin(habits.favourites[profiles.gender == g], names.index("women's fashion")) for g in (0, 1))
    assert women.mean() > 3 * men.mean()
    middle_aged = (profiles.age >= 28) & (profiles.age < 48)
    children = np.isin(habits.favourites, names.index("children")).any(axis=1)
    assert children[middle_aged].mean() > 3 * children[~middle_aged].mean()


def test_a_rhythm_makes_orders_regular(long_shop):
    random = long_shop.plan.random(Stream.USERS)
    profiles = make_profiles(long_shop.plan, random)
    rhythm = make_habits(profiles, make_catalogue(long_shop.plan), random).rhythm
    lines = long_shop.frame("order_lines")
    days = lines[lines.quantity > 0].drop_duplicates(["user_id", "arrived"]).sort_values(["user_id", "arrived"])
    gaps = days.groupby("user_id").arrived.diff().dropna()
    of_user = gaps.groupby(days.user_id).agg(["mean", "std", "size"])
    of_user = of_user[of_user["size"] >= 5]
    spread = of_user["std"] / of_user["mean"]
    with_rhythm = rhythm[spread.index - 1]
    assert spread[with_rhythm].median() < 0.85 * spread[~with_rhythm].median()


def test_a_plan_raises_visits_and_ends_with_its_purchase_or_its_day(many):
    plan, _, habits = many
    state, everyone = State(plan, habits), np.arange(plan.users)
    for _ in range(20):
        state.move()
    planned = state.planned(everyone, np.zeros(plan.users))
    planning = np.flatnonzero(planned != NO_PLAN)
    assert 0.03 < len(planning) / plan.users < 0.12
    assert {CATEGORIES[category].name for category in planned[planning]} == set(PLANNED)
    visits = state.visits(slice(0, plan.users))
    assert visits[planning].mean() > 1.4 * np.delete(visits, planning).mean()
    half = len(planning) // 2
    state.order(planning[:half], planned[planning[:half]])
    state.order(planning[half:], np.full(len(planning) - half, 0))  # groceries, which nobody plans
    left = state.planned(everyone, np.zeros(plan.users)) != NO_PLAN
    assert not left[planning[:half]].any()
    assert left[planning[half:]].all()
    assert not (state.planned(everyone, np.ones(plan.users)) != NO_PLAN).any()


def test_what_is_hidden_is_told_as_it_is_in_the_evening(many):
    plan, _, habits = many
    state = State(plan, habits)
    for _ in range(20):
        state.move()
    evening = state.hidden()
    planning = evening["planning"] == 1
    assert (evening["plan_days"][planning] >= 1).all()
    assert (evening["plan_days_left"][planning] >= 1).all()
    assert not evening["plan_days"][~planning].any()
    assert ((evening["waited"] == -1) == ~habits.rhythm).all()
    assert abs(evening["mood"].mean()) < 0.05
    buyers = np.flatnonzero(habits.rhythm)[:10]
    state.order(buyers, np.zeros(10, int))
    expected = np.minimum(habits.visits[buyers] * habits.conversion[buyers], 5)
    np.testing.assert_allclose(state.hidden()["waited"][buyers], np.maximum(expected, 1e-5), rtol=1e-3)
    state.move()
    still = state.planned(np.arange(plan.users), np.zeros(plan.users)) != NO_PLAN
    assert still[planning].mean() > 0.99  # but for plans that were bought


def test_a_mood_has_mean_one_and_lasts_for_weeks(many):
    plan, _, habits = many
    state, weeks = State(plan, habits), []
    for day in range(15):
        state.move()
        if day % 7 == 0:
            weeks.append(np.log(state.visits(slice(0, plan.users))))
    calm = [np.exp(week).mean() for week in weeks[:1]]
    assert abs(calm[0] - 1) < 0.05
    assert np.corrcoef(weeks[0], weeks[1])[0, 1] > 0.75


def test_dear_things_are_looked_at_for_days_before_they_are_bought(long_shop):
    """More so, compared with a week a month earlier, than other things."""
    category = long_shop.shop.products["category"].combine_chunks().indices.to_numpy()
    lines, events = long_shop.frame("order_lines"), long_shop.frame("events").dropna(subset="product_id")
    bought = lines[(lines.quantity > 0) & (lines.arrived >= 40)].drop_duplicates("order_id", keep="last")
    seen = pd.DataFrame(
        {
            "user_id": events.user_id,
            "category": category[events.product_id.astype(int) - 1],
            "seen_on": events.arrived,
        }
    )
    bought = bought[["user_id", "arrived"]].assign(category=category[bought.product_id - 1])
    pairs = bought.merge(seen, on=["user_id", "category"])
    before = pairs.arrived - pairs.seen_on
    planned = pairs.category.isin([i for i, one in enumerate(CATEGORIES) if one.name in PLANNED])
    rise = [(before[group].between(1, 7).sum()) / before[group].between(31, 37).sum() for group in (planned, ~planned)]
    assert rise[0] > 1.4 * rise[1]
