"""On a family whose best hyperparameters are known: no model is fitted."""

import math
from collections.abc import Sequence

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from models import catalog
from models.search import draws
from models.search.draws import STARTUP, draw_parameters, draw_seed, hyperband
from models.search.space import SPACE, Space, family_space

TOY: Space = {
    "toy.share": FloatDistribution(0, 1),
    "toy.penalty": FloatDistribution(1e-3, 1, log=True),
    "toy.cells": CategoricalDistribution((1, 2, 3)),
}
DEFAULTS = {"toy.share": 0.9, "toy.penalty": 0.9, "toy.cells": 1}
BEST = {"toy.share": 0.3, "toy.penalty": 0.1, "toy.cells": 2}


def value(params: dict) -> float:
    """0 for `BEST`, else below."""
    share, penalty, cells = (params[name] for name in TOY)
    return -((share - 0.3) ** 2) - 0.2 * (math.log10(penalty) + 1) ** 2 - 0.1 * (cells - 2) ** 2


def trial(params: dict, **named) -> FrozenTrial:
    return create_trial(params=params, distributions=TOY, **({"value": value(params)} | named))


def tried(seed: int, trials: int) -> list[FrozenTrial]:
    past = [trial(DEFAULTS)]
    for draw in range(1, trials):
        past.append(trial(draw_parameters(TOY, draw, draw_seed(seed, "toy", draw), past)))
    return past


def best(trials: Sequence[FrozenTrial]) -> float:
    return max(one.value for one in trials)


def test_every_draw_of_every_family_can_be_built() -> None:
    for family in SPACE:
        for draw in range(1, 4):
            drawn = draw_parameters(family_space(family), draw, draw_seed(0, family, draw), [])
            params = {name.removeprefix(f"{family}."): value for name, value in drawn.items()}
            model = catalog.build(family, params, seed=0, threads=1, horizon_days=28)
            assert {name: getattr(model, name, "none") for name in params} == params


def test_tpe_uses_results_and_beats_random_draws(monkeypatch) -> None:
    learned = [best(tried(seed, 20)) for seed in range(8)]
    monkeypatch.setattr(draws, "STARTUP", 20)
    random = [best(tried(seed, 20)) for seed in range(8)]
    assert np.mean(learned) > np.mean(random) / 2


def test_the_same_seed_gives_the_same_trials_and_another_others() -> None:
    first, again, other = ([one.params for one in tried(seed, 8)] for seed in (0, 0, 1))
    assert first == again
    assert not any(params in other for params in first[1:])


def test_startup_draws_depend_on_the_seed_alone_and_later_ones_on_results() -> None:
    good, bad = tried(0, STARTUP + 1), [trial(DEFAULTS)] * (STARTUP + 1)
    for draw in (1, STARTUP):
        assert draw_parameters(TOY, draw, 7, good) == draw_parameters(TOY, draw, 7, bad)
    assert draw_parameters(TOY, STARTUP + 1, 7, good) != draw_parameters(TOY, STARTUP + 1, 7, bad)


def test_what_runs_is_avoided_and_what_failed_is_as_if_it_had_not_been() -> None:
    past = tried(0, 8)
    near = draw_parameters(TOY, 8, 7, past)
    running = create_trial(state=TrialState.RUNNING, params=near, distributions=TOY)
    assert draw_parameters(TOY, 9, 7, [*past, running]) != draw_parameters(TOY, 9, 7, [*past, None])
    assert draw_parameters(TOY, 9, 7, [*past, None]) == near


def test_all_earlier_draws_failed() -> None:
    params = draw_parameters(TOY, STARTUP + 1, 7, [None] * (STARTUP + 1))
    assert params.keys() == TOY.keys()


def test_hyperband_stops_what_is_worse_than_what_was_and_lets_the_best_go_on() -> None:
    def curve(level: float) -> dict[int, float]:
        return {epoch: level + epoch / 100 for epoch in range(1, 9)}

    past = [trial(DEFAULTS, intermediate_values=curve(0.5)) for _ in range(12)]

    def stopped_at(level: float) -> int | None:
        stops = hyperband("0:toy", TOY, 8, past)
        return next((epoch for epoch, reached in curve(level).items() if stops(epoch, reached)), None)

    assert stopped_at(0.2) in (1, 3)
    assert stopped_at(0.9) is None
    assert stopped_at(math.nan) in (1, 3)


def test_the_first_trial_is_not_stopped() -> None:
    stops = hyperband("0:toy", TOY, 8, [])
    assert not any(stops(epoch, 0.1) for epoch in range(1, 9))


@pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.RUNNING, TrialState.FAIL])
def test_a_trial_in_any_state_can_be_replayed(state) -> None:
    begun = create_trial(state=state, params=DEFAULTS, distributions=TOY, intermediate_values={1: 0.4})
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    assert draw_parameters(TOY, STARTUP + 2, 7, [None] * STARTUP + [begun]).keys() == TOY.keys()
