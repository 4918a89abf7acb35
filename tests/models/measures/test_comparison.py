"""Measures of several models and their standard errors against textbook answers."""

import numpy as np
import pandas as pd
import pytest

from models.measures.comparison import compare
from models.measures.gini import normalized_gini, paired_bootstrap
from models.measures.metrics import area_under_roc
from models.protocol import LabelledUsers


def made(users=400, seed=0):
    random = np.random.default_rng(seed)
    rate = random.gamma(1.0, 10.0, users)
    spend = rate * random.exponential(1.0, users) * (random.random(users) < 0.5)
    truth = LabelledUsers(pd.DataFrame(index=range(users)), pd.Series(spend), pd.Series(spend) > 0)
    guess = pd.DataFrame({"expected_spend": rate / 2, "purchase_probability": rate / rate.max()})
    return truth, guess, pd.DataFrame({"expected_spend": spend.mean(), "purchase_probability": 0.5}, index=range(users))


def test_measures_and_leads_are_those_of_each_measure():
    truth, guess, mean = made()
    table = compare(truth, {"guess": guess, "mean": mean}, samples=20)
    spend = truth.future_spend
    assert table.loc["guess", "ngini"] == normalized_gini(spend, guess.expected_spend)
    assert table.loc["guess", "auc"] == area_under_roc(truth.purchased, guess.purchase_probability)
    assert table.loc["mean", "mae"] == pytest.approx((spend - spend.mean()).abs().mean())
    assert table.loc["mean", ["ngini", "auc"]].tolist() == [0, 0.5]
    for name in ("ngini", "auc", "mae"):
        assert table.loc["mean", f"lead_{name}"] == pytest.approx(table.loc["guess", name] - table.loc["mean", name])
        assert table.loc["guess", [f"lead_{name}", f"lead_{name}_se"]].tolist() == [0, 0]


def test_standard_errors_are_those_of_a_mean_and_of_the_paired_bootstrap():
    truth, guess, mean = made()
    table = compare(truth, {"guess": guess, "mean": mean}, samples=400)
    error = (guess.expected_spend - truth.future_spend).abs()
    assert table.loc["guess", "mae_se"] == pytest.approx(error.std() / np.sqrt(len(error)), rel=0.15)
    _, paired, _ = paired_bootstrap(truth.future_spend, guess.expected_spend, mean.expected_spend, 400, 1)
    assert table.loc["mean", "lead_ngini_se"] == pytest.approx(paired, rel=0.15)


def test_one_user_and_nobody():
    truth = LabelledUsers(pd.DataFrame(index=[0]), pd.Series([3.0]), pd.Series([True]))
    predictions = pd.DataFrame({"expected_spend": [1.0], "purchase_probability": [0.5]})
    assert compare(truth, {"one": predictions}, samples=2).loc["one", ["ngini", "auc", "mae"]].tolist() == [0, 0.5, 2]
    none = LabelledUsers(truth.features[:0], truth.future_spend[:0], truth.purchased[:0])
    with pytest.raises(ValueError, match="found none"):
        compare(none, {"one": predictions[:0]})
