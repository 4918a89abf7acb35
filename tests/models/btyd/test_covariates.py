"""Covariates in BG/NBD and Pareto/NBD: against finite differences, and against customers made from known ones."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import approx_fprime

from models.btyd import bg_nbd, pareto_nbd
from models.btyd.bg_nbd import BgNbd
from models.btyd.covariates import LIMIT, Effects, covariates, fit_effects, loss_with_effects
from models.btyd.maximum_likelihood import Process, fit_process, observe
from models.btyd.model import BuyTillYouDie
from models.btyd.pareto_nbd import ParetoNbd
from models.btyd.purchase_history import Floats, PurchaseHistory
from models.encoding import DenseEncoder
from models.protocol import LabelledUsers

processes = pytest.mark.parametrize("process", [bg_nbd.PROCESS, pareto_nbd.PROCESS], ids=["bg_nbd", "pareto_nbd"])
TRUE = {"rate": 0.8, "leaving": 0.6}
"""How much the logarithm of the purchase rate and of leaving is higher in the north."""


def some_customers(customers: int, seed: int = 0) -> PurchaseHistory:
    random = np.random.default_rng(seed)
    x, tenure = random.poisson(1.5, customers) * 1.0, random.integers(5, 200, customers) * 1.0
    return PurchaseHistory(x, np.where(x > 0, tenure * random.random(customers), 0.0), tenure)


def two_regions(model: BgNbd | ParetoNbd, customers: int, days: int) -> LabelledUsers:
    """Customers of a Pareto/NBD or BG/NBD world whose north buys more often and leaves sooner, with labels."""
    random = np.random.default_rng(3)
    north = random.random(customers) < 0.5
    rate = random.gamma(model.r, 1 / np.asarray(model.alpha), customers) * np.exp(TRUE["rate"] * north)
    tenure = random.integers(30, 200, customers).astype(np.float64)
    if isinstance(model, ParetoNbd):
        life = random.exponential(
            1 / (random.gamma(model.s, 1 / model.beta, customers) * np.exp(TRUE["leaving"] * north))
        )
        x = random.poisson(rate * np.minimum(life, tenure))
        recency = np.minimum(life, tenure) * random.random(customers) ** (1 / np.maximum(x, 1))
        later = random.poisson(rate * np.clip(life - tenure, 0, days))
    else:
        leaves = random.beta(model.a * np.exp(TRUE["leaving"] * north), model.b)
        leaves_after = random.geometric(np.maximum(leaves, 1e-12))
        would = random.poisson(rate * tenure)
        x = np.minimum(would, leaves_after)
        recency = tenure * random.beta(np.maximum(x, 1), np.maximum(would - x + 1, 1))
        later = np.where(would < leaves_after, random.poisson(rate * days), 0)
    features = pd.DataFrame({"frequency": x * 1.0, "recency": np.where(x > 0, recency, 0.0), "T": tenure})
    features = features.assign(region=np.where(north, "north", "south"), spend_total=10.0 * (x + 1))
    return LabelledUsers(features, pd.Series(later * 10.0), pd.Series(later > 0))


def north_less_south(effects: Effects, parameter: str) -> float:
    known = list(effects.encoder.categories["region"])
    one = effects.coefficients[parameter]
    return float(one[known.index("north")] - one[known.index("south")])


@processes
@pytest.mark.parametrize("label_days", [0, 30])
def test_gradient(process: Process, label_days: int) -> None:
    random = np.random.default_rng(1)
    came_back = (random.random(60) < 0.4) if label_days else np.zeros(60, dtype=bool)
    observed = observe(some_customers(60), came_back, label_days, random.normal(size=(60, 3)))
    coefficients = 3 * np.count_nonzero(process.effects)
    point = np.concatenate([[-0.3, 0.2, 0.1, -0.4], random.normal(0, 0.3, coefficients)])
    numeric = approx_fprime(point, lambda at: loss_with_effects(process, at, observed)[0], 1e-7)
    assert loss_with_effects(process, point, observed)[1] == pytest.approx(numeric, abs=2e-6)


@pytest.mark.parametrize(
    ("process", "world"),
    [(pareto_nbd.PROCESS, ParetoNbd(0.8, 20.0, 0.7, 60.0)), (bg_nbd.PROCESS, BgNbd(0.8, 20.0, 0.6, 2.0))],
    ids=["pareto_nbd", "bg_nbd"],
)
def test_finds_the_coefficients_of_a_known_world(process: Process, world: BgNbd | ParetoNbd) -> None:
    customers = two_regions(world, 12_000, 60)
    features = customers.features
    history = PurchaseHistory(*features[["frequency", "recency", "T"]].to_numpy().T)
    alike = fit_process(process, history, customers.purchased.to_numpy(), 60, penalty=1e-6)
    effects = fit_effects(
        process, alike, features, history, customers.purchased.to_numpy(), 60, penalty=1e-6, shrinkage=1e-6
    )
    assert north_less_south(effects, "alpha") == pytest.approx(TRUE["rate"], abs=0.1)
    if isinstance(world, ParetoNbd):
        assert north_less_south(effects, "beta") == pytest.approx(TRUE["leaving"], abs=0.3)
    else:
        assert north_less_south(effects, "a") == pytest.approx(TRUE["leaving"], abs=0.3)
        assert north_less_south(effects, "b") == pytest.approx(0, abs=0.3)


def test_who_is_like_the_others_but_of_a_region_that_buys_more_is_expected_to_buy_more() -> None:
    training = two_regions(ParetoNbd(0.8, 20.0, 0.7, 60.0), 4_000, 60)
    same = training.features.iloc[[0, 0]].assign(region=["north", "south"], frequency=2.0, recency=90.0, T=100.0)
    model = BuyTillYouDie("pareto_nbd", 60, covariates=True).fit(training)
    north, south = model.expected_purchases(same, 60)
    assert north > 1.03 * south
    alike = BuyTillYouDie("pareto_nbd", 60, covariates=False).fit(training).expected_purchases(same, 60)
    assert alike[0] == alike[1]


@processes
def test_coefficients_of_nothing_change_nothing(process: Process) -> None:
    features = pd.DataFrame({"region": ["north", "south", None] * 20})
    history = some_customers(60)
    model = process.model(0.5, 20.0, 0.6, 40.0)
    names = [name for name, effect in zip(vars(model), process.effects, strict=True) if effect]
    encoder = DenseEncoder().fit(covariates(features))
    scaled = Effects(model, {name: np.zeros(2) for name in names}, dict.fromkeys(names, 1), encoder).of(features)

    def predictions(one: BgNbd | ParetoNbd) -> list[Floats]:
        return [one.alive(history), one.expected_purchases(history, 60), one.any_purchase(history, 60)]

    np.testing.assert_allclose(predictions(scaled), predictions(model), rtol=1e-12)


@processes
def test_the_largest_effects_still_give_finite_numbers(process: Process) -> None:
    model = process.model(0.5, 20.0, 0.6, 40.0)
    names = [name for name, effect in zip(vars(model), process.effects, strict=True) if effect]
    features = pd.DataFrame({"region": ["north", "mars"], "gender": ["x", "y"]})
    encoder = DenseEncoder().fit(features.iloc[[0]])
    for sign in (-1, 1):
        extreme = Effects(model, {name: np.full(2, sign * LIMIT) for name in names}, dict.fromkeys(names, 1), encoder)
        history = PurchaseHistory(np.array([1e5, 0]), np.array([90.0, 0]), np.array([91.0, 400]))
        scaled = extreme.of(features)
        predictions = [
            scaled.alive(history),
            scaled.expected_purchases(history, 273),
            scaled.any_purchase(history, 273),
        ]
        assert np.isfinite(predictions).all()


@pytest.mark.parametrize("process", ["bg_nbd", "pareto_nbd"])
def test_without_any_covariate_it_is_the_model_without(process: str) -> None:
    training = two_regions(ParetoNbd(0.8, 20.0, 0.7, 60.0), 500, 60)
    bare = replace(training, features=training.features.drop(columns="region"))
    predictions = BuyTillYouDie(process, 60, covariates=True).fit(bare).predict(bare.features)
    pd.testing.assert_frame_equal(
        predictions, BuyTillYouDie(process, 60, covariates=False).fit(bare).predict(bare.features)
    )


@pytest.mark.parametrize("process", ["bg_nbd", "pareto_nbd"])
@pytest.mark.parametrize("rows", [1, 2, 300])
def test_survives_pickling_and_tells_a_user_alone_the_same(process: str, rows: int) -> None:
    training = two_regions(ParetoNbd(0.8, 20.0, 0.7, 60.0), 300, 60)
    few = LabelledUsers(training.features[:rows], training.future_spend[:rows], training.purchased[:rows])
    model = BuyTillYouDie(process, 60, covariates=True).fit(few)
    predictions = model.predict(training.features)
    assert np.isfinite(predictions.to_numpy()).all()
    copy = pickle.loads(pickle.dumps(model))  # noqa: S301 - made in the line itself
    pd.testing.assert_frame_equal(copy.predict(training.features), predictions)
    pd.testing.assert_frame_equal(model.predict(training.features.iloc[[7]]), predictions.iloc[[7]])
    assert len(model.predict(training.features.iloc[:0])) == 0
