import numpy as np
import pandas as pd
import pytest

from models.score.reasons import Reasons

RANDOM = np.random.default_rng(0)
USERS = pd.DataFrame(
    {
        "spend_28d": RANDOM.permutation(1_000).astype(float),
        "spend_91d": np.zeros(1_000),
        "noise": RANDOM.random(1_000),
        "region": RANDOM.choice(["north", "south", "missing"], 1_000),
    }
)
SCORE = USERS["spend_28d"].to_numpy() / 20 + np.where(USERS["region"] == "north", 40, 0)
PHRASES = {"spend_28d": "spent {value:,.0f}", "spend_91d": "spent {value:,.0f} in all", "region": "area: {value}"}


def explain(users: pd.DataFrame, top: int = 3) -> list[str]:
    return Reasons(PHRASES, top).fit(USERS, SCORE).explain(users)


def test_who_is_high_is_told_what_raised_the_score_and_who_is_low_what_lowered_it() -> None:
    users = pd.DataFrame({"spend_28d": [995.0, 4.0], "spend_91d": 0.0, "noise": 0.5, "region": ["north", "south"]})
    high, low = explain(users)
    assert set(high.split("; ")) == {"spent 995, more than 99 % of shoppers", "area: north"}
    assert set(low.split("; ")) == {"spent 4, less than 99 % of shoppers", "area: south"}


def test_no_more_reasons_than_asked_for() -> None:
    assert all(";" not in text for text in explain(USERS, top=1))
    assert all(explain(USERS[USERS["region"] != "missing"], top=1))


def test_what_is_not_known_is_no_reason() -> None:
    users = pd.DataFrame({"spend_28d": [np.nan], "spend_91d": 0.0, "noise": 0.5, "region": ["missing"]})
    assert explain(users) == [""]


def test_a_feature_without_a_phrase_is_no_reason() -> None:
    assert Reasons({}, 3).fit(USERS, SCORE).explain(USERS.iloc[:2]) == ["", ""]


def test_windows_of_one_measure_give_one_reason() -> None:
    users = USERS.assign(spend_91d=USERS["spend_28d"] + RANDOM.random(1_000))
    texts = Reasons(PHRASES, 3).fit(users, users["spend_28d"].to_numpy()).explain(users)
    assert max(text.count("spent") for text in texts) == 1


def test_nobody() -> None:
    assert explain(USERS.iloc[:0]) == []
    assert Reasons(PHRASES, 3).fit(USERS, SCORE).importances(USERS.iloc[:0]).empty


def reason(users: pd.DataFrame, phrases: dict[str, str], score: pd.Series, user: int = -1) -> str:
    """The one reason of a user."""
    return Reasons(phrases, 1).fit(users, score.to_numpy()).explain(users.iloc[[user]])[0]


def test_a_decayed_sum_is_told_as_the_window_that_orders_users_like_it() -> None:
    spend = np.arange(500.0)
    users = pd.DataFrame({"spend_decayed_28d": spend / 3, "spend_28d": RANDOM.permutation(spend), "spend_91d": spend})
    phrases = {name: name + " {value:.0f}" for name in users}
    assert reason(users, phrases, users["spend_decayed_28d"]) == "spend_91d 499, more than 99 % of shoppers"


def test_windows_that_hold_the_same_are_told_as_the_shortest() -> None:
    spend = np.arange(500.0)
    users = pd.DataFrame({"spend_364d": spend, "spend_182d": spend, "spend_91d": spend, "spend_28d": spend % 7})
    phrases = {name: name + " {value:.0f}" for name in users}
    assert reason(users, phrases, users["spend_182d"]).startswith("spend_91d 499")


def test_a_shorter_window_speaks_only_for_users_of_whom_it_holds_the_same() -> None:
    spend = np.arange(500.0)
    users = pd.DataFrame({"spend_28d": spend, "spend_56d": spend})
    users.loc[490:, "spend_28d"] = 48
    users.loc[[400], "spend_28d"] = 390  # within 5 % of 400
    phrases = {name: name + " {value:.0f}" for name in users}
    assert reason(users, phrases, users["spend_56d"]) == "spend_56d 499, more than 99 % of shoppers"
    assert reason(users, phrases, users["spend_56d"], user=450).startswith("spend_28d 450, more than")
    assert reason(users, phrases, users["spend_56d"], user=400).startswith("spend_28d 390, more than")


def test_an_effect_that_is_handed_from_window_to_window_is_told() -> None:
    spend = np.arange(500.0)
    users = pd.DataFrame({"spend_28d": spend, "spend_56d": spend, "spend_91d": spend})
    users.loc[::25, "spend_28d"] = 0  # each window is its neighbour for 96 % of users, the ends are alike for 92 %
    users.loc[1::25, ["spend_28d", "spend_56d"]] = 0
    phrases = {name: name + " {value:.0f}" for name in users}
    texts = Reasons(phrases, 1).fit(users, spend).explain(users)
    assert [text.split(",")[0] for text in texts[-25:-22]] == ["spend_56d 475", "spend_91d 476", "spend_28d 477"]
    assert all(texts)


def test_a_window_without_a_phrase_speaks_for_none() -> None:
    spend = np.arange(500.0)
    users = pd.DataFrame({"spend_decayed_28d": spend, "spend_28d": spend, "spend_56d": spend, "spend_91d": spend})
    phrases = {"spend_decayed_28d": "recently {value:.0f}", "spend_56d": "spent {value:.0f}", "spend_28d": ""}
    assert reason(users, phrases, users["spend_91d"]) == "spent 499, more than 99 % of shoppers"
    del phrases["spend_56d"]
    assert reason(users, phrases, users["spend_91d"]) == "recently 499, more than 99 % of shoppers"


def test_a_measure_is_compared_in_its_own_words() -> None:
    users = pd.DataFrame({"days_since_last_order": np.arange(1.0, 501), "gap_mean": 3.0})
    phrases = {"days_since_last_order": "last bought {value:.0f} days ago", "gap_mean": "comes every {value:.0f} days"}
    lately = reason(users, phrases, -users["days_since_last_order"], user=0)
    assert lately == "last bought 1 day ago, more recently than 99 % of shoppers"
    assert reason(users, phrases, -users["days_since_last_order"]).endswith("ago, longer ago than 99 % of shoppers")
    came_back = pd.DataFrame({"gap_mean": [3.0, np.nan] * 250})
    assert reason(came_back, phrases, came_back["gap_mean"].notna() * 90.0, user=0) == "comes every 3 days"


def test_a_zero_that_stands_for_never_is_said_so() -> None:
    users = pd.DataFrame({"monetary_value": np.repeat([0.0, 50.0], 250)})
    phrases = {"monetary_value": "spends {value:.0f} later"}
    assert reason(users, phrases, users["monetary_value"], user=0) == "has bought on one day only"


def test_importances_are_the_mean_absolute_effects_and_their_direction() -> None:
    score = USERS["spend_28d"].to_numpy() / 20 - 30 * USERS["noise"].to_numpy()
    table = Reasons(PHRASES, 3).fit(USERS, score).importances(USERS).set_index("feature")
    # of an additive score the Shapley value of a column is its part, less that part's mean
    expected = np.abs(USERS["spend_28d"] / 20 - 499.5 / 20).mean()
    assert table.loc["spend_28d", "effect"] == pytest.approx(expected, rel=0.05)
    assert table.loc["spend_28d", "direction"] > 0.99
    assert table.loc["noise", "direction"] < -0.98
    assert table.loc["spend_91d", "effect"] == 0
    assert table.loc[["spend_91d", "region"], "direction"].isna().all()
    assert table["effect"].is_monotonic_decreasing


def test_fidelity_is_near_one_for_a_score_that_features_make_and_none_for_noise() -> None:
    found = Reasons(PHRASES, 3).fit(USERS, SCORE)
    assert min(found.fidelity(USERS, SCORE)) > 0.98
    assert max(found.fidelity(USERS, RANDOM.random(1_000))) < 0.2
    assert found.fidelity(USERS, np.ones(1_000)) == (1.0, 1.0)


def test_reasons_tell_different_things() -> None:
    """Spend, units and the best day all say that a user buys much: the strongest of them is told, and then the rest."""
    users = USERS.assign(units_28d=USERS["spend_28d"] + 1, largest_day_spend_91d=USERS["spend_28d"] * 2)
    users = users.assign(days_since_last_order=RANDOM.permutation(1_000).astype(float)).drop(columns="spend_91d")
    phrases = {
        "spend_28d": "spent {value:,.0f}",
        "units_28d": "bought {value:,.0f} items",
        "largest_day_spend_91d": "spent up to {value:,.0f} on one day",
        "days_since_last_order": "last bought {value:,.0f} days ago",
        "region": "area: {value}",
    }
    score = users["spend_28d"] + users["units_28d"] + users["largest_day_spend_91d"]
    score = score.to_numpy() / 60 - users["days_since_last_order"].to_numpy() / 60
    texts = Reasons(phrases, 3).fit(users, score).explain(users)
    assert max(text.count("spent") + text.count("items") for text in texts) == 1
    top = texts[int(score.argmax())].split("; ")
    assert any(reason.startswith(("spent", "bought")) for reason in top)
    assert any(reason.startswith("last bought") for reason in top)
