"""The first champion by simulation: how often it is a model in shops of noise, and in shops with something to learn.

    python -m benchmarks.first_champion                  (about a quarter of an hour on 2 busy cores)
    python -m benchmarks.first_champion USERS SHOPS      (for example 200,600 50)

Shops, windows and models are those of benchmarks/gate.py. Each night the best of CANDIDATES models by nGini on two
validation windows is tested on the newest window, as the sweep does. In shops of noise all users are the same, and
models and baseline order them by chance; a second kind of them has orders of very unequal amounts. In the other shops
the models know the users' rates with an error, and the baseline with a larger one: its true nGini is lower by the gain
of the column. Bootstrap, errors and decision are the product's own functions with the settings of conf/purse.yaml; the
rule before is that of decision 0029.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.gate import HORIZON, Floats, World, errors, gate_of, scale_for
from models.first_model import Evidence
from models.measures.comparison import bias_error
from models.measures.gini import normalized_gini, paired_bootstrap, standard_error
from models.measures.metrics import relative_bias
from models.promotion import Gain, Metrics, NoChampion, decide
from pipelines.settings import Settings, load_settings

CANDIDATES = 16
"""Models of a sweep; the best on the validation windows is tested."""

VALIDATION = (HORIZON, HORIZON + 7)
"""Days by which the validation windows begin before the test window."""

NIGHTS = 30
"""Consecutive retrainings of a shop."""

ERROR, CORRELATION = 1.0, 0.5
"""Standard deviation of the models' error in the logarithm of the rate, and the share that all candidates share."""

SPREADS = (0.7, 1.8)
"""Standard deviations of the logarithm of an order's amount in shops of noise: an ordinary one and one with whales."""

GAINS = (0.0, 0.05, 0.1)
"""True gains of nGini of the models over the baseline."""


@dataclass(frozen=True)
class Night:
    """True spend of the test and of the validation windows, and predictions of the chosen model and the baseline."""

    test: Floats
    validation: list[Floats]
    model: Floats
    baseline: Floats


def nights(users: int, seed: int, gain: float | None, number: int, spread: float = SPREADS[0]) -> Iterator[Night]:
    """Yield the nights of a shop; `gain` None: a shop of noise; `spread`: see `World.draw`."""
    world = World.draw(users, seed, alike=gain is None, spread=spread)
    common = errors(users, seed + 10_000)
    own = [errors(users, seed + 20_000 + 1_000 * place) for place in range(CANDIDATES)]
    lasting = np.random.default_rng([seed, users, 2]).standard_normal(users)  # a baseline does not change at night
    scale = ERROR
    if gain:
        reached = world.true_ngini(world.expected * np.exp(ERROR * next(common)))
        scale = scale_for(world, reached - gain, lasting)
    for night in range(number):
        day = max(VALIDATION) + night
        shared = CORRELATION**0.5 * next(common)
        drawn = [world.expected * np.exp(ERROR * (shared + (1 - CORRELATION) ** 0.5 * next(one))) for one in own]
        validation = [world.windows[day - before] for before in VALIDATION]
        scores = [np.mean([normalized_gini(spend, one) for spend in validation]) for one in drawn]
        model = drawn[int(np.argmax(scores))]
        model *= world.expected.sum() / model.sum()  # the level comes from a forecast of its own
        yield Night(world.windows[day], validation, model, world.expected * np.exp(scale * lasting))


def by_floor(settings: Settings, night: Night) -> bool:
    """Whether nGini passes the floor alone."""
    return normalized_gini(night.test, night.model) >= settings.promotion.min_ngini


def before(settings: Settings, night: Night) -> bool:
    """Whether the rule of decision 0029 names the model."""
    if not by_floor(settings, night):
        return False
    mean = _gain(settings, night, np.ones(len(night.test)))
    if not (mean.better_share >= settings.promotion.confidence and mean.estimate >= 3 * mean.standard_error):
        return False
    gain = _gain(settings, night, night.baseline)
    return gain.estimate >= -gain.standard_error


def after(settings: Settings, night: Night) -> bool:
    """Whether the product's rule names the model."""
    if not by_floor(settings, night):
        return False
    samples, spend, model = settings.promotion.bootstrap_samples, night.test, night.model
    ngini, bias = normalized_gini(spend, model), relative_bias(spend, model)
    evidence = Evidence(
        ngini=ngini,
        ngini_error=standard_error(spend, model, samples, 0),
        validation_ngini=float(np.mean([normalized_gini(one, model) for one in night.validation])),
        validation_error=float(np.mean([standard_error(one, model, samples, 0) for one in night.validation])),
        bias=bias,
        bias_error=bias_error(spend, model),
    )
    first = NoChampion({"baseline": _gain(settings, night, night.baseline)}, "baseline", "baseline")
    return decide(Metrics(ngini, bias, evidence=evidence), first, gate_of(settings)).promoted


def _gain(settings: Settings, night: Night, other: Floats) -> Gain:
    return Gain(*paired_bootstrap(night.test, night.model, other, settings.promotion.bootstrap_samples, 0))


RULES: dict[str, Callable[[Settings, Night], bool]] = {"floor alone": by_floor, "before": before, "after": after}


def main(sizes: Sequence[int], shops: int) -> None:
    """Measure and print."""
    settings = load_settings()
    columns = [f"signal, gain {gain:g}, first night" for gain in GAINS]
    print(f"Shares of {shops} shops whose first champion is a model.\n")
    quiet = f"noise, first night | noise, within {NIGHTS} nights | noise with whales, within {NIGHTS} nights"
    print(f"| users | rule | {quiet} | {' | '.join(columns)} |")
    print("|---|---|" + "---|" * (len(columns) + 3))
    for users in sizes:
        noise = {name: np.zeros((len(SPREADS), shops, NIGHTS), dtype=bool) for name in RULES}
        signal = {name: np.zeros((shops, len(GAINS)), dtype=bool) for name in RULES}
        for seed in range(shops):
            for row, spread in enumerate(SPREADS):
                for number, night in enumerate(nights(users, seed, None, NIGHTS, spread)):
                    for name, rule in RULES.items():
                        noise[name][row, seed, number] = rule(settings, night)
            for place, gain in enumerate(GAINS):
                for night in nights(users, seed, gain, 1):
                    for name, rule in RULES.items():
                        signal[name][seed, place] = rule(settings, night)
        for name in RULES:
            shares = [noise[name][0, :, 0].mean(), *noise[name].any(axis=2).mean(axis=1), *signal[name].mean(axis=0)]
            print(f"| {users:,} | {name} | " + " | ".join(f"{share:.2f}" for share in shares) + " |", flush=True)


if __name__ == "__main__":
    given = sys.argv[1:]
    chosen = given[0] if given else "200,600,3000"
    main([int(size) for size in chosen.split(",")], int(given[1]) if len(given) > 1 else 100)
