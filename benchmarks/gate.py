"""The gate by simulation: promotions without a true difference, and nights to a true gain.

    python -m benchmarks.gate                    (a quarter of an hour on 2 busy cores)
    python -m benchmarks.gate USERS SEEDS        (for example 300,1000 3)

Users spend at a rate of their own (gamma, with a few whales), on days of their own; each night's test window is the
last 28 days, so windows of consecutive nights overlap, as in the product. A model predicts the logarithm of the rate
with an error; the errors of consecutive retrainings are correlated (0.9), because their training data is nearly the
same. Bootstrap, slices and decision are the product's own functions with the settings of conf/purse.yaml. First
champions are simulated by benchmarks/first_champion.py.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.measures.gini import normalized_gini, paired_bootstrap
from models.promotion import Gain, Gate, Metrics, decide
from pipelines.settings import Settings, load_settings

Floats = NDArray[np.float64]
NIGHTS, HORIZON = 180, 28
GAINS = (0.002, 0.01)
"""True gains of nGini that challengers have from the first night on."""

ERROR, CORRELATION = 1.0, 0.9
"""Standard deviation of a model's error in the logarithm of the rate, and its correlation from night to night."""

WHALES, WHALE_FACTOR = 0.005, 20.0
"""Share of whales among the users, and factor on what they spend."""

GROUPS = 4
"""Slices, of equal size."""


@dataclass(frozen=True)
class World:
    """A shop: expected spend of each user in a window, the spend of each night's window, and the slices."""

    expected: Floats
    windows: list[Floats]
    groups: NDArray[np.intp]

    @classmethod
    def draw(cls, users: int, seed: int, *, alike: bool = False, spread: float = 0.7) -> "World":
        """Draw a shop; `alike`: all its users are the same; `spread`: standard deviation of an order's log amount."""
        random = np.random.default_rng([seed, users])
        rate = random.gamma(0.5, 0.04, users)  # orders a day
        value = 20 * random.lognormal(0, 0.6, users) * np.where(random.random(users) < WHALES, WHALE_FACTOR, 1.0)
        if alike:
            rate, value = np.full(users, 0.02), np.full(users, 20.0)
        orders = random.poisson(rate[:, None], (users, NIGHTS + HORIZON))
        spend = np.zeros(orders.shape)
        rows, days = orders.nonzero()
        spend[rows, days] = orders[rows, days] * value[rows] * random.lognormal(0, spread, len(rows))
        total = np.concatenate([np.zeros((users, 1)), spend.cumsum(axis=1)], axis=1)
        windows = [total[:, night + HORIZON] - total[:, night] for night in range(NIGHTS)]
        return cls(rate * value * HORIZON, windows, random.integers(GROUPS, size=users))

    def true_ngini(self, prediction: Floats) -> float:
        """NGini of a prediction on the expected spend: what a window measures with noise."""
        return normalized_gini(self.expected, prediction)


def errors(users: int, seed: int) -> Iterator[Floats]:
    """Yield the errors of each night's model, of standard deviation 1."""
    random = np.random.default_rng([seed, users, 1])
    error = random.standard_normal(users)
    while True:
        yield error
        error = CORRELATION * error + (1 - CORRELATION**2) ** 0.5 * random.standard_normal(users)


def nights_of(settings: Settings, world: World, seed: int, gain: float) -> tuple[int, int, float]:
    """Run the gate night after night.

    Args:
        settings: the settings.
        world: the shop.
        seed: seed of the models' errors.
        gain: true gain of every challenger over the first champion.

    Returns:
        Number of changes of the champion, the first night with one (-1: none), and the last champion's true nGini minus
        the first one's. With a gain, the nights end with the first change.
    """
    drawn = errors(len(world.expected), seed)
    first = champion = world.expected * np.exp(ERROR * next(drawn))
    scale = scale_for(world, world.true_ngini(first) + gain, next(drawn)) if gain else ERROR
    changes, found = 0, -1
    for night, (spend, error) in enumerate(zip(world.windows, drawn, strict=False)):
        challenger = world.expected * np.exp(scale * error)
        if _decides(settings, world, spend, challenger, champion):
            champion, changes, found = challenger, changes + 1, night if found < 0 else found
            if gain:
                break
    return changes, found, world.true_ngini(champion) - world.true_ngini(first)


def _decides(settings: Settings, world: World, spend: Floats, challenger: Floats, champion: Floats) -> bool:
    samples = settings.promotion.bootstrap_samples

    def gain(rows: NDArray[np.bool_]) -> Gain:
        return Gain(*paired_bootstrap(spend[rows], challenger[rows], champion[rows], samples, settings.training.seed))

    everyone = gain(np.ones(len(spend), dtype=bool))
    parts = {}
    if everyone.better_share >= settings.promotion.confidence:  # as in the product, slices only forbid
        masks = {f"group={number}": world.groups == number for number in range(GROUPS)}
        parts = {name: gain(rows) for name, rows in masks.items() if rows.sum() >= settings.promotion.min_slice_users}
    metrics = Metrics(normalized_gini(spend, challenger), 0.0, everyone, parts)
    return decide(metrics, Metrics(normalized_gini(spend, champion), 0.0), gate_of(settings)).promoted


def scale_for(world: World, target: float, error: Floats) -> float:
    """Standard deviation of the error with which models have this true nGini, by bisection."""
    low, high = 0.0, ERROR * 2
    for _ in range(40):
        middle = (low + high) / 2
        good = world.true_ngini(world.expected * np.exp(middle * error)) > target
        low, high = (middle, high) if good else (low, middle)
    return low


def gate_of(settings: Settings) -> Gate:
    """The gate of the settings."""
    gate = settings.promotion
    return Gate(gate.min_ngini, gate.max_abs_bias, gate.confidence, gate.max_slice_loss, gate.max_first_bias)


def main(sizes: Sequence[int], seeds: int) -> None:
    """Measure and print."""
    settings = load_settings()
    print(f"{NIGHTS} nights, windows of {HORIZON} days, {seeds} shops per row; a list has one number per shop.\n")
    print("| users | changes by challengers that are equally good on average (true nGini gained by the end) | ", end="")
    print(" | ".join(f"night on which a true gain of {gain} is found (gained)" for gain in GAINS), end=" |\n")
    print("|---|---|" + "---|" * len(GAINS))
    for users in sizes:
        worlds = [World.draw(users, seed) for seed in range(seeds)]
        none = [nights_of(settings, world, seed, 0.0) for seed, world in enumerate(worlds)]
        cells = ["; ".join(f"{changes} ({truth:+.4f})" for changes, _, truth in none)]
        for gain in GAINS:
            some = [nights_of(settings, world, seed, gain) for seed, world in enumerate(worlds)]
            cells.append("; ".join(f"{night} ({truth:+.4f})" if night >= 0 else "never" for _, night, truth in some))
        print(f"| {users:,} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    given = sys.argv[1:]
    sizes = given[0] if given else "300,1000,5000,30000"
    main([int(size) for size in sizes.split(",")], int(given[1]) if len(given) > 1 else 3)
