import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import r2_score, roc_auc_score

from models.measures.metrics import area_under_roc, capture, coverage, measure, relative_bias, tier_measures, true_tiers

TRUE = np.array([0.0, 0, 0, 0, 0, 10, 20, 30, 40, 100])
SAID = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 55])


def test_level_by_hand() -> None:
    measured = measure(TRUE, TRUE > 0, SAID, SAID / 55)
    assert measured["bias"] == pytest.approx(100 / 200 - 1)
    assert measured["mae"] == pytest.approx((1 + 2 + 3 + 4 + 5 + 4 + 13 + 22 + 31 + 45) / 10)
    assert measured["decile_wape"] == pytest.approx(130 / 200)  # ten users: a group each
    assert measured["decile_mape"] == pytest.approx(np.mean([4 / 10, 13 / 20, 22 / 30, 31 / 40, 45 / 100]))
    assert measured["ngini"] == pytest.approx(1)
    assert measured["top10_capture"] == measured["top10_capture_perfect"] == pytest.approx(0.5)
    assert measured["top20_capture"] == pytest.approx(0.7)


def test_agrees_with_scipy_and_scikit_learn() -> None:
    random = np.random.default_rng(1)
    true, predictions = random.gamma(0.4, 100, 500), random.gamma(1, 50, 500).round(-1)
    measured = measure(true, true > 20, predictions, predictions / predictions.max())
    assert measured["auc"] == pytest.approx(roc_auc_score(true > 20, predictions))
    assert measured["spearman"] == pytest.approx(spearmanr(true, predictions).statistic)
    assert measured["r2"] == pytest.approx(r2_score(true, predictions))
    assert measured["r2_capped"] == pytest.approx(r2_score(np.minimum(true, np.quantile(true, 0.995)), predictions))
    assert measured["rmse"] == pytest.approx(np.sqrt(((true - predictions) ** 2).mean()))


USERS = st.lists(st.tuples(st.integers(-50, 500), st.integers(0, 4)), min_size=1, max_size=40)


@given(users=USERS, random=st.randoms(use_true_random=False))
def test_order_of_rows_never_matters(users: list[tuple[int, int]], random) -> None:
    shuffled = random.sample(users, len(users))
    measured = [
        measure(true, true > 9, predicted, predicted / 4)
        for true, predicted in (np.array(rows, dtype=float).T for rows in (users, shuffled))
    ]
    assert measured[0] == pytest.approx(measured[1])


@given(users=USERS)
def test_all_measures_but_the_bias_are_finite(users: list[tuple[int, int]]) -> None:
    true, predicted = np.array(users, dtype=float).T
    measured = measure(true, true > 0, predicted, predicted / 4, ["high"] * len(users))
    measured.pop("bias")
    assert np.isfinite(list(measured.values())).all()


def test_capture_of_a_constant_prediction_is_the_share_of_users() -> None:
    assert capture([0, 0, 0, 100, 0, 0, 0, 0, 0, 0], [1.0] * 10, 0.2) == pytest.approx(0.2)


@pytest.mark.parametrize("spend", [0.0, 25.0])
def test_everyone_the_same_gives_finite_neutral_measures(spend: float) -> None:
    measured = measure([spend] * 20, [spend > 0] * 20, [spend] * 20, [0.5] * 20, ["low"] * 20)
    assert np.isfinite(list(measured.values())).all()
    assert (measured["ngini"], measured["auc"], measured["spearman"], measured["r2"]) == (0, 0.5, 0, 0)


def test_bias_without_any_spend_is_infinite_so_that_no_gate_lets_it_pass() -> None:
    assert relative_bias([0, 0], [1, 0]) == np.inf
    assert relative_bias([0, 0], [0, 0]) == 0


def test_ties_count_half_in_auc() -> None:
    assert area_under_roc([True, False], [0.3, 0.3]) == 0.5
    assert area_under_roc([True, False, False], [0.3, 0.3, 0.1]) == 0.75


def test_users_who_spend_nothing_are_low_however_few_others_spend() -> None:
    assert true_tiers([0, 0, 0, 0, 0, 0, 0, 0, 5, 9]).tolist() == ["low"] * 8 + ["high"] * 2
    assert true_tiers([0, 0, 0, 0, 0, 0, 1, 2, 5, 9]).tolist() == ["low"] * 6 + ["mid"] * 2 + ["high"] * 2
    assert true_tiers([0, 0, 0, 0]).tolist() == ["low"] * 4


def test_tiers_by_hand() -> None:
    predictions = ["low", "low", "low", "low", "high", "mid", "mid", "low", "mid", "high"]
    assert tier_measures(TRUE, predictions) == {
        "high_precision": 0.5,
        "high_recall": 0.5,
        "high_f1": 0.5,
        "tier_accuracy": 0.7,  # the truth: five low, three mid, two high
    }


def test_other_tier_shares() -> None:
    assert true_tiers(TRUE, {"high": 0.1, "mid": 0.1}).tolist() == ["low"] * 8 + ["mid", "high"]


def test_unknown_truth_and_no_users_are_refused() -> None:
    with pytest.raises(ValueError, match="1 of 2 unknown"):
        measure([1.0, np.nan], [True, False], [1, 1], [1, 1])
    with pytest.raises(ValueError, match="at least one user"):
        measure([], [], [], [])


def test_coverage_counts_the_ends_and_net_returns_as_nothing() -> None:
    assert coverage([-5, 0, 3, 9], [0, 0, 3, 1], [0, 1, 4, 8]) == 0.75
