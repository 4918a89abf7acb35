"""BG/NBD and Pareto/NBD against published parameters, lifetimes, SciPy's 2F1 and simulation."""

from dataclasses import asdict, astuple
from importlib.metadata import distribution
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from lifetimes import BetaGeoFitter, ParetoNBDFitter
from scipy.optimize import approx_fprime
from scipy.special import hyp2f1, logsumexp

from models.btyd import bg_nbd, pareto_nbd
from models.btyd.bg_nbd import BgNbd
from models.btyd.maximum_likelihood import Process, fit_process
from models.btyd.pareto_nbd import ParetoNbd
from models.btyd.purchase_history import Floats, PurchaseHistory

BG = [BgNbd(0.24, 4.41, 0.79, 2.43), BgNbd(0.8, 18, 0.08, 2), BgNbd(3, 50, 2.5, 0.6), BgNbd(40, 400, 0.3, 0.2)]
PARETO = [
    ParetoNbd(0.55, 10.6, 0.61, 11.7),
    ParetoNbd(0.8, 20, 0.1, 150),
    ParetoNbd(2, 300, 3, 200),
    ParetoNbd(0.05, 0.3, 5, 2),
]
PROCESSES: dict[type, Process] = {BgNbd: bg_nbd.PROCESS, ParetoNbd: pareto_nbd.PROCESS}
HORIZONS = (1.0, 39.0, 1_000.0)
each = pytest.mark.parametrize("model", [*BG, *PARETO], ids=str)
typical = pytest.mark.parametrize("model", [BG[0], PARETO[0]], ids=["bg_nbd", "pareto_nbd"])


def history(*customers: tuple[float, float, float]) -> PurchaseHistory:
    return PurchaseHistory(*np.array(customers, dtype=np.float64).T)


SOME = history(
    (0, 0, 1), (0, 0, 40), (1, 3, 40), (5, 20, 40), (5, 39, 40), (30, 50, 60), (100, 200, 1_000), (3, 1, 300)
)


def cdnow() -> PurchaseHistory:
    """The 1/10 sample of the papers, in weeks: 2,357 customers."""
    path = distribution("lifetimes").locate_file("lifetimes/datasets/cdnow_customers_summary.csv")
    return PurchaseHistory(*pd.read_csv(str(path))[["frequency", "recency", "T"]].to_numpy(dtype=np.float64).T)


def unlabelled(customers: PurchaseHistory) -> tuple[np.ndarray, float]:
    return np.zeros(len(customers.T), dtype=bool), 0.0


def test_published_parameters() -> None:
    customers = cdnow()
    bg = fit_process(bg_nbd.PROCESS, customers, *unlabelled(customers), penalty=0.0)
    assert (bg.r, bg.alpha, bg.a, bg.b) == pytest.approx((0.243, 4.414, 0.793, 2.426), rel=2e-3)
    pareto = fit_process(pareto_nbd.PROCESS, customers, *unlabelled(customers), penalty=0.0)
    assert (pareto.r, pareto.alpha, pareto.s, pareto.beta) == pytest.approx((0.553, 10.578, 0.606, 11.669), rel=2e-3)


@pytest.mark.parametrize(("model", "fitter"), [(BG[0], BetaGeoFitter), (PARETO[0], ParetoNBDFitter)])
def test_agrees_with_lifetimes(model: BgNbd | ParetoNbd, fitter: type) -> None:
    customers, theirs = cdnow(), fitter()
    theirs.params_ = pd.Series(asdict(model))
    expected = [theirs.conditional_expected_number_of_purchases_up_to_time(days, *customers) for days in HORIZONS]
    np.testing.assert_allclose([model.expected_purchases(customers, days) for days in HORIZONS], expected, rtol=1e-9)
    np.testing.assert_allclose(model.alive(customers), theirs.conditional_probability_alive(*customers), rtol=1e-9)


@pytest.mark.parametrize("model", BG, ids=str)
@pytest.mark.parametrize("days", HORIZONS)
def test_bg_nbd_expectation_is_the_2f1_of_the_paper(model: BgNbd, days: float) -> None:
    r, alpha, a, b = astuple(model)
    x, _, tenure = SOME
    z = days / (alpha + tenure + days)
    series = hyp2f1(r + x, b + x, a + b + x - 1, z) * (1 - z) ** (r + x)
    expected = model.alive(SOME) * (a + b + x - 1) / (a - 1) * (1 - series)
    np.testing.assert_allclose(model.expected_purchases(SOME, days), expected, rtol=1e-6)


@pytest.mark.parametrize("model", PARETO, ids=str)
def test_pareto_nbd_alive_is_the_2f1_of_the_paper(model: ParetoNbd) -> None:
    r, alpha, s, beta = astuple(model)
    x, recency, tenure = SOME
    k, far, near = r + s + x, max(alpha, beta), min(alpha, beta)
    second = s + 1 if alpha >= beta else r + x
    # equations (20) and (36) of the derivations of Fader & Hardie (2005)
    parts = [
        np.log(hyp2f1(k, second, k + 1, (far - near) / (far + end))) - k * np.log(far + end)
        for end in (recency, tenure)
    ]
    log_a0 = logsumexp(parts, axis=0, b=np.array([[1.0], [-1.0]]))
    alive = 1 / (1 + np.exp(np.log(s / k) + (r + x) * np.log(alpha + tenure) + s * np.log(beta + tenure) + log_a0))
    np.testing.assert_allclose(model.alive(SOME), alive, rtol=1e-6)


@each
def test_gradient(model: BgNbd | ParetoNbd) -> None:
    log_likelihood, start = PROCESSES[type(model)].log_likelihood, np.array(astuple(model))
    numeric = approx_fprime(start, lambda point: log_likelihood(point, SOME)[0].sum(), start * 1e-7)
    assert log_likelihood(start, SOME)[1].sum(axis=1) == pytest.approx(numeric, rel=1e-3, abs=1e-3)


@each
def test_buying_nothing_in_a_label_is_a_longer_history(model: BgNbd | ParetoNbd) -> None:
    parameters = np.array(astuple(model))
    before, after = (
        PROCESSES[type(model)].log_likelihood(parameters, SOME._replace(T=SOME.T + days))[0] for days in (0, 28)
    )
    nothing = 1 - model.any_purchase(SOME, 28.0)
    np.testing.assert_allclose(nothing, np.exp(after - before), rtol=1e-7, atol=1e-9)


class Simulated(NamedTuple):
    history: PurchaseHistory
    alive: Floats
    purchases: Floats
    """In the 60 days after the history."""


def simulate(model: BgNbd | ParetoNbd, customers: int) -> Simulated:
    random = np.random.default_rng(5)
    rate = random.gamma(model.r, 1 / model.alpha, customers)
    tenure = random.integers(20, 120, customers).astype(np.float64)
    if isinstance(model, ParetoNbd):
        life = random.exponential(1 / random.gamma(model.s, 1 / model.beta, customers))
        x = random.poisson(rate * np.minimum(life, tenure))
        recency = np.minimum(life, tenure) * random.random(customers) ** (1 / np.maximum(x, 1))
        later = random.poisson(rate * np.clip(life - tenure, 0, 60))
        alive = life > tenure
    else:
        leaves_after = random.geometric(np.maximum(random.beta(model.a, model.b, customers), 1e-12))
        would = random.poisson(rate * tenure)
        x, alive = np.minimum(would, leaves_after), would < leaves_after
        recency = tenure * random.beta(np.maximum(x, 1), np.maximum(would - x + 1, 1))
        later = np.where(alive, np.minimum(random.poisson(rate * 60), leaves_after - would), 0)
    return Simulated(PurchaseHistory(x * 1.0, np.where(x > 0, recency, 0.0), tenure), alive * 1.0, later * 1.0)


@pytest.mark.parametrize("model", [*BG[:3], *PARETO[:3]], ids=str)
def test_simulated_customers_do_as_predicted(model: BgNbd | ParetoNbd) -> None:
    world = simulate(model, 60_000)
    x, recency, tenure = world.history
    pairs = [
        (model.alive(world.history), world.alive),
        (model.expected_purchases(world.history, 60), world.purchases),
        (model.any_purchase(world.history, 60), world.purchases > 0),
    ]
    for group in (x == 0, (x > 0) & (recency < tenure / 2), (x > 0) & (recency >= tenure / 2), x > 3):
        for predicted, actual in pairs:
            error = (predicted - actual)[group]
            assert abs(error.mean()) < 4 * error.std() / np.sqrt(group.sum()) + 1e-9


@typical
def test_finds_the_world_again_from_histories_with_and_without_labels(model: BgNbd | ParetoNbd) -> None:
    world, process = simulate(model, 20_000), PROCESSES[type(model)]
    truth = model.any_purchase(world.history, 300)
    fitted = fit_process(process, world.history, world.purchases > 0, 60.0, penalty=0.0)
    alone = fit_process(process, world.history, *unlabelled(world.history), penalty=0.0)
    assert fitted.any_purchase(world.history, 300) == pytest.approx(truth, abs=0.03)
    assert alone.any_purchase(world.history, 300) == pytest.approx(truth, abs=0.06)


@each
def test_very_frequent_buyers_get_finite_numbers(model: BgNbd | ParetoNbd) -> None:
    often = history((10_000, 10_000, 10_001), (10_000, 90, 91), (1e6, 1, 1), (1e9, 1e9, 1e9), (0, 0, 1e9), (0, 0, 0))
    predictions = np.array([model.alive(often), model.expected_purchases(often, 273), model.any_purchase(often, 273)])
    assert np.isfinite(predictions).all()
    assert (predictions >= 0).all()
    assert (predictions[[0, 2]] <= 1).all()


@pytest.mark.parametrize("model", [BG[1], PARETO[1]], ids=str)
def test_who_bought_daily_for_decades_and_yesterday_goes_on(model: BgNbd | ParetoNbd) -> None:
    steady = history((10_000, 10_000, 10_001))
    assert model.expected_purchases(steady, 28)[0] == pytest.approx(28 * model.alive(steady)[0], rel=0.01)


def test_no_jump_where_the_closed_forms_divide_by_zero() -> None:
    for models in (
        [BgNbd(0.5, 10, a, 2) for a in (1 - 1e-7, 1.0, 1 + 1e-7)],
        [ParetoNbd(0.5, 10, s, 20) for s in (1 - 1e-7, 1.0, 1 + 1e-7)],
    ):
        below, at, above = (model.expected_purchases(SOME, 28) for model in models)
        np.testing.assert_allclose(at, (below + above) / 2, rtol=1e-9)
