"""The interval of what a group spends: its chance of nothing, the level, and many users' own spend."""

import numpy as np
import pytest

from models.score.totals import Group, total_interval

FEW = 30


def shop(users: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Expected spend and chance to buy of users whose spend, if they buy, is exponential."""
    random = np.random.default_rng(seed)
    return random.gamma(1.0, 100.0, users), random.uniform(0.05, 0.95, users)


def group_of(expected: np.ndarray, chance: np.ndarray) -> Group:
    variance = (expected**2 * (2 / chance - 1)).sum()  # the second moment of an exponential law is 2
    return Group(expected.sum(), variance, float(np.prod(1 - chance)))


@pytest.mark.parametrize("users", [1, 2, 20, 200])
def test_four_in_five_groups_are_inside(users: int) -> None:
    random, inside = np.random.default_rng(1), []
    for seed in range(40):
        expected, chance = shop(users, seed)
        bought = random.random((500, users)) < chance
        total = np.where(bought, random.exponential(expected / chance, (500, users)), 0.0).sum(axis=1)
        low, high = total_interval(group_of(expected, chance), 1.0, 1.0)
        inside.append(((total >= low) & (total <= high)).mean())
    most = 0.88 if users < FEW else 0.84  # a gamma variable is a little wide for few users
    assert 0.76 <= np.mean(inside) <= most


def test_two_users_who_may_both_buy_nothing_begin_at_nothing() -> None:
    low, high = total_interval(group_of(np.array([100.0, 100.0]), np.array([0.16, 0.16])), 0.8, 1.3)
    assert low == 0
    assert high > 200


def test_the_level_is_what_remains_of_everybody() -> None:
    expected, chance = shop(200_000, 0)
    low, high = total_interval(group_of(expected, chance), 0.75, 1.4)
    assert low / expected.sum() == pytest.approx(0.75, abs=0.01)
    assert high / expected.sum() == pytest.approx(1.4, abs=0.01)


def test_a_group_that_is_expected_to_spend_nothing() -> None:
    assert total_interval(Group(0.0, 0.0, 1.0), 0.8, 1.3) == (0.0, 0.0)
