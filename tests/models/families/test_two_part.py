import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from models.families.two_part import LogAmount, fit_purchase, purchase_probability


def test_smearing_gives_the_mean_and_not_the_median() -> None:
    random = np.random.default_rng(0)
    inputs = random.normal(size=(20_000, 1))
    amount = 50 * np.exp(0.5 * inputs[:, 0] + random.normal(0, 0.8, 20_000))
    predictions = LogAmount(LinearRegression()).fit(inputs, amount).predict(np.array([[0.0], [1.0]]))
    expected = 50 * np.exp([0.8**2 / 2, 0.5 + 0.8**2 / 2])  # mean of a lognormal
    np.testing.assert_allclose(predictions, expected, rtol=0.03)


def test_nobody_is_expected_to_spend_more_than_any_buyer_did() -> None:
    inputs = np.arange(10.0)[:, None]
    predictions = LogAmount(LinearRegression()).fit(inputs, np.exp(inputs[:, 0])).predict(np.array([[1e9]]))
    assert predictions[0] == pytest.approx(np.exp(9))


@pytest.mark.parametrize("buyers", [0, 3])
def test_buyers_without_an_amount_are_expected_to_spend_nothing(buyers: int) -> None:
    predictions = LogAmount(LinearRegression()).fit(np.ones((buyers, 2)), np.zeros(buyers)).predict(np.ones((4, 2)))
    assert predictions.tolist() == [0.0] * 4


@pytest.mark.parametrize("bought", [True, False])
def test_one_kind_of_user_is_a_constant_probability(bought: bool) -> None:
    purchase = fit_purchase(LogisticRegression(), np.ones((5, 1)), np.full(5, bought))
    assert purchase_probability(purchase, np.ones((2, 1))).tolist() == [float(bought)] * 2
