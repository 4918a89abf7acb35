import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu

from models.measures.fairness import compare
from models.measures.gini import normalized_gini
from models.measures.metrics import area_under_roc
from models.measures.names import TESTED

SHARES = {"high": 0.25, "mid": 0.25}


def said(expected: list[float], probability: list[float] | None = None, tier: list[str] | None = None) -> pd.DataFrame:
    size = len(expected)
    return pd.DataFrame(
        {
            "expected_spend": expected,
            "purchase_probability": probability or [0.5] * size,
            "tier": tier or ["low"] * size,
        }
    )


def row(table: pd.DataFrame, measure: str, group: str = "g") -> pd.Series:
    return table[(table["measure"] == measure) & (table["group"] == group)].iloc[0]


def shop(users: int = 3_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, pd.DataFrame, np.ndarray]:
    """Spend, purchases, predictions and a group that the model serves worse: there the prediction is noisier."""
    random = np.random.default_rng(seed)
    inside = random.random(users) < 0.3
    rate = random.gamma(1.0, 50.0, users)
    bought = random.random(users) < 0.6
    spend = np.where(bought, rate * random.lognormal(0, 0.5, users), 0.0)
    expected = rate * random.lognormal(0, np.where(inside, 1.5, 0.3))
    tier = np.where(expected >= np.quantile(expected, 0.75), "high", "low")
    predictions = pd.DataFrame(
        {"expected_spend": expected, "purchase_probability": np.clip(rate / 200, 0, 1), "tier": tier}
    )
    return spend, bought, predictions, inside


def test_means_and_shares_and_their_errors_are_those_of_the_textbook():
    spend, inside = [10.0, 30.0, 0.0, 20.0, 40.0], np.array([True, True, False, False, False])
    table = compare(
        spend,
        [True, True, False, True, True],
        said([15.0, 35.0, 10.0, 10.0, 30.0], tier=["high", "low", "low", "low", "high"]),
        {"g": inside},
        tier_shares={"high": 0.4, "mid": 0.2},
    )
    mean = row(table, "mean_spend")
    assert (mean["value"], mean["rest"], mean["difference"]) == (20.0, 20.0, 0.0)
    assert mean["standard_error"] == pytest.approx(np.sqrt(100 / 2 + (400 + 0 + 400) / 3 / 3))
    bias = row(table, "bias")
    assert (bias["value"], bias["rest"]) == (pytest.approx(50 / 40 - 1), pytest.approx(50 / 60 - 1))
    share = row(table, "high_share")
    assert share["standard_error"] == pytest.approx(np.sqrt(0.5 * 0.5 / 2 + (1 / 3) * (2 / 3) / 3))
    recall = row(table, "high_recall")  # the highest true tier are those who spent 30 and 40
    assert (recall["value"], recall["rest"]) == (0.0, 1.0)


def test_order_measures_are_those_of_the_group_alone():
    spend, bought, predictions, inside = shop()
    table = compare(spend, bought, predictions, {"g": inside})
    expected, probability = (predictions[name].to_numpy() for name in ("expected_spend", "purchase_probability"))
    assert row(table, "ngini")["value"] == pytest.approx(normalized_gini(spend[inside], expected[inside]))
    assert row(table, "ngini")["rest"] == pytest.approx(normalized_gini(spend[~inside], expected[~inside]))
    pairs = mannwhitneyu(probability[inside & bought], probability[inside & ~bought]).statistic
    assert row(table, "auc")["value"] == pytest.approx(pairs / ((inside & bought).sum() * (inside & ~bought).sum()))
    assert row(table, "auc")["rest"] == pytest.approx(area_under_roc(bought[~inside], probability[~inside]))


@pytest.mark.parametrize("tied", [False, True], ids=["distinct", "tied"])
def test_standard_errors_are_those_of_a_bootstrap(tied):
    spend, bought, predictions, inside = shop(1_500)
    if tied:
        predictions["expected_spend"] = predictions["expected_spend"].round(-2)
        predictions["purchase_probability"] = predictions["purchase_probability"].round(1)
    table = compare(spend, bought, predictions, {"g": inside})
    expected, probability = (predictions[name].to_numpy() for name in ("expected_spend", "purchase_probability"))
    plain = {
        "mean_spend": lambda rows: spend[rows].mean(),
        "bias": lambda rows: expected[rows].sum() / spend[rows].sum(),
        "ngini": lambda rows: normalized_gini(spend[rows], expected[rows]),
        "auc": lambda rows: area_under_roc(bought[rows], probability[rows]),
    }
    random, draws = np.random.default_rng(1), []
    ours, rest = np.flatnonzero(inside), np.flatnonzero(~inside)
    for _ in range(300):
        left, right = random.choice(ours, len(ours)), random.choice(rest, len(rest))
        draws.append({name: measure(left) - measure(right) for name, measure in plain.items()})
    for measure, error in pd.DataFrame(draws).std().items():
        assert row(table, measure)["standard_error"] == pytest.approx(error, rel=0.15), measure


def test_a_group_that_is_served_worse_is_flagged_and_an_arbitrary_one_is_not():
    spend, bought, predictions, inside = shop(6_000, seed=1)
    arbitrary = np.arange(6_000) % 2 == 0
    table = compare(spend, bought, predictions, {"g": inside, "even": arbitrary}, tier_shares=SHARES)
    assert row(table, "ngini")["flagged"]
    assert row(table, "ngini")["difference"] < 0
    assert not table[table["group"] == "even"]["flagged"].any()
    assert set(table.loc[table["p_value"].notna(), "measure"]) == set(TESTED)


def test_flags_hold_the_share_of_false_discoveries():
    """Benjamini and Hochberg by hand: the largest k with p(k) <= k/m · 5 %."""
    spend, bought, predictions, _ = shop(4_000)
    random = np.random.default_rng(5)
    groups = {f"g{number}": random.random(4_000) < 0.05 + 0.1 * number for number in range(6)}
    groups["low"] = predictions["expected_spend"].to_numpy() < 30
    table = compare(spend, bought, predictions, groups, tier_shares=SHARES)
    p = np.sort(table["p_value"].dropna())
    passing = [k for k in range(1, len(p) + 1) if p[k - 1] <= k / len(p) * 0.05]
    assert table["flagged"].sum() == max(passing, default=0) > 0


def test_what_is_not_defined_is_nan_and_never_flagged():
    inside = np.array([True, True, False, False])
    table = compare([0.0, 0.0, 5.0, 1.0], [False, False, True, True], said([1.0, 2.0, 3.0, 4.0]), {"g": inside})
    for measure in ("bias", "ngini", "auc"):
        assert np.isnan(row(table, measure)["value"])
        assert np.isnan(row(table, measure)["p_value"])
    assert not table["flagged"].any()


@pytest.mark.parametrize("inside", [[True] * 4, [False] * 4, [True, False, False, False]])
def test_groups_without_enough_users_or_without_a_rest_are_left_out(inside):
    members = {"g": np.array(inside)}
    table = compare([1.0, 2.0, 3.0, 4.0], [True] * 4, said([1.0] * 4), members, min_users=2)
    assert table.empty
    assert "flagged" in table
    assert compare([1.0], [True], said([1.0]), {}).empty
