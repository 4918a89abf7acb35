"""The families: purchases times spend, and how they go on beyond the label window."""

from importlib.metadata import distribution

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats
from scipy.optimize import approx_fprime

from models.btyd import gamma_gamma, maximum_likelihood
from models.btyd import purchase_history as purchase_history_module
from models.btyd.gamma_gamma import GammaGamma
from models.btyd.model import BuyTillYouDie
from models.btyd.purchase_history import Floats, by_distinct, purchase_history
from models.measures.gini import normalized_gini
from models.protocol import LabelledUsers

families = pytest.mark.parametrize("process", ["bg_nbd", "pareto_nbd"])


def shop(customers: int, days: int, seed: int = 0) -> LabelledUsers:
    """A Pareto/NBD and Gamma-Gamma world in days, with labels of `days`."""
    random = np.random.default_rng(seed)
    rate, life = random.gamma(0.6, 1 / 15, customers), random.exponential(1 / random.gamma(0.8, 1 / 60, customers))
    tenure = random.integers(30, 100, customers).astype(np.float64)
    repeats = random.poisson(rate * np.minimum(life, tenure))
    last = np.minimum(life, tenure) * random.random(customers) ** (1 / np.maximum(repeats, 1))
    later = random.poisson(rate * np.clip(life - tenure, 0, days))
    spend_rate = random.gamma(4, 1 / 90, customers)
    past, future = (random.gamma(np.maximum(6 * orders, 1e-9)) / spend_rate for orders in (repeats + 1, later))
    features = {
        "frequency": repeats * 1.0,
        "recency": np.where(repeats > 0, last, 0.0),
        "T": tenure,
        "spend_total": past,
    }
    return LabelledUsers(pd.DataFrame(features), pd.Series(future * (later > 0)), pd.Series(later > 0))


@families
def test_predicts_who_spends_and_how_much_in_all(process: str) -> None:
    model = BuyTillYouDie(process, horizon_days=40).fit(shop(6_000, 40))
    later = shop(20_000, 40, seed=1)
    predictions = model.predict(later.features)
    # the world is that of Pareto/NBD: to BG/NBD, who bought once is alive for ever
    assert predictions["expected_spend"].sum() == pytest.approx(later.future_spend.sum(), rel=0.1)
    assert predictions["purchase_probability"].mean() == pytest.approx(later.purchased.mean(), abs=0.04)
    assert normalized_gini(later.future_spend, predictions["expected_spend"]) > 0.6


@families
def test_expects_more_of_a_longer_horizon_than_was_labelled(process: str) -> None:
    model = BuyTillYouDie(process, horizon_days=40).fit(shop(6_000, 40))
    later = shop(100_000, 120, seed=1)
    # who bought once is alive for ever to BG/NBD, which does not know this world: see above
    known = 0.05 if process == "pareto_nbd" else 0.3
    assert model.expected_spend(later.features, 120).sum() == pytest.approx(later.future_spend.sum(), rel=known)
    assert model.purchase_probability(later.features, 120).mean() == pytest.approx(later.purchased.mean(), rel=known)


@families
def test_more_rows_than_a_fit_looks_at(process: str, monkeypatch: pytest.MonkeyPatch) -> None:
    training = shop(500, 40)
    thrice = LabelledUsers(
        training.features.loc[training.features.index.repeat(3)],
        training.future_spend.repeat(3),
        training.purchased.repeat(3),
    )
    once = BuyTillYouDie(process, 40).fit(training).predict(training.features)
    monkeypatch.setattr(maximum_likelihood, "MAX_ROWS", 500)
    pd.testing.assert_frame_equal(BuyTillYouDie(process, 40).fit(thrice).predict(training.features), once, rtol=1e-3)


def test_histories_that_cannot_be_are_held_at_the_nearest_that_can() -> None:
    features = pd.DataFrame(
        {"frequency": [-1, np.nan, 2, 3], "recency": [5, 5, 90, -1], "T": [10, 10, 30, np.nan]}, dtype=np.float64
    )
    frequency, recency, tenure = purchase_history(features)
    assert frequency.tolist() == [0, 0, 2, 3]
    assert recency.tolist() == [0, 0, 30, 0]
    assert tenure.tolist() == [10, 10, 30, 0]


def test_by_distinct_asks_once_for_all_who_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated = []

    def total(one: float, x: Floats, y: Floats) -> Floats:
        evaluated.extend(zip(x, y, strict=True))
        return one + x + 10 * y

    x, y = np.array([1.0, 0, 1, 1, 2]), np.array([3.0, 0, 3, 4, 4])
    monkeypatch.setattr(purchase_history_module, "BATCH", 3)
    assert by_distinct(total, 0.5, x, y).tolist() == (0.5 + x + 10 * y).tolist()
    assert sorted(evaluated) == [(0, 0), (1, 3), (1, 4), (2, 4)]
    assert by_distinct(total, 0.5, x[:0], y[:0]).tolist() == []


def test_gamma_gamma_published_parameters() -> None:
    """Those of Fader & Hardie's 946 repeat buyers of the CDNOW sample."""
    path = distribution("lifetimes").locate_file("lifetimes/datasets/cdnow_customers_summary_with_transactions.csv")
    repeat = pd.read_csv(str(path)).query("x > 0")
    fitted = gamma_gamma.fit(repeat["x"].to_numpy(float), repeat["zbar"].to_numpy(float), penalty=0.0)
    assert (fitted.p, fitted.q, fitted.gamma) == pytest.approx((6.25, 3.74, 15.44), abs=0.01)


@pytest.mark.parametrize(("orders", "mean_spend"), [(1.0, 0.4), (3.0, 1.7), (20.0, 0.9)])
def test_gamma_gamma_likelihood_and_expectation_by_integration(orders: float, mean_spend: float) -> None:
    p, q, gamma = 2.5, 3.2, 1.4

    def joint(rate: float) -> float:
        spend = stats.gamma.pdf(mean_spend, p * orders, scale=1 / (orders * rate))
        return float(spend * stats.gamma.pdf(rate, q, scale=1 / gamma))

    likelihood = integrate.quad(joint, 0, np.inf)[0]
    expected = integrate.quad(lambda rate: joint(rate) * p / rate, 0, np.inf)[0] / likelihood
    one = np.array([orders]), np.array([mean_spend])
    assert gamma_gamma.loss(np.array([p, q - 1, gamma]), *one)[0] == pytest.approx(-np.log(likelihood), rel=1e-6)
    assert GammaGamma(p, q, gamma).expected_spend(*one)[0] == pytest.approx(expected, rel=1e-6)


def test_gamma_gamma_gradient() -> None:
    parameters, orders, mean_spend = np.array([2.5, 2.2, 1.4]), np.array([1.0, 4, 9]), np.array([0.2, 1.5, 3.0])
    numeric = approx_fprime(parameters, lambda point: gamma_gamma.loss(point, orders, mean_spend)[0], 1e-7)
    assert gamma_gamma.loss(parameters, orders, mean_spend)[1] == pytest.approx(numeric, abs=1e-5)


def test_gamma_gamma_where_nobody_spent() -> None:
    orders, mean_spend = np.array([1.0, 2.0]), np.array([0.0, -3.0])
    assert gamma_gamma.fit(orders, mean_spend, 1e-4).expected_spend(orders, mean_spend).tolist() == [0, 0]
