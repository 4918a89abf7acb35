import pickle

import numpy as np
import pytest

from models.score import calibration
from models.score.calibration import Calibration


def users(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Predictions that are too flat: the truth is their square."""
    random = np.random.default_rng(seed)
    said = random.gamma(2.0, 50.0, count)
    return said, said**2 / 100 * random.lognormal(-0.125, 0.5, count)


def test_group_means_are_what_such_users_spent() -> None:
    said, true = users(40_000)
    later, truth = users(40_000, seed=1)
    calibrated = calibration.fit([said], [true]).at_level(later, truth.sum()).apply(later)
    for group in np.array_split(np.argsort(later), 5):
        assert calibrated[group].mean() == pytest.approx(truth[group].mean(), rel=0.1, abs=0.05 * truth.mean())


def test_order_is_kept_ties_stay_ties_and_none_are_made() -> None:
    said, true = users(2_000)
    fitted = calibration.fit([said], [np.random.default_rng(0).permutation(true)]).at_level(said, 1e6)
    later = np.array([0.0, 0.0, 1.0, 2.0, 2.0, 50.0, 1e3, 1e9])
    assert np.sign(np.diff(fitted.apply(later))).tolist() == np.sign(np.diff(later)).tolist()
    assert fitted.apply([0.0])[0] == 0
    assert fitted.apply(said).argsort().tolist() == said.argsort().tolist()


def test_total_is_the_level_and_a_user_alone_gets_the_same() -> None:
    said, true = users(3_000)
    fitted = calibration.fit([said], [true]).at_level(said, 12_345.0)
    together = fitted.apply(said)
    assert together.sum() == pytest.approx(12_345.0)
    assert fitted.apply(said[:1])[0] == pytest.approx(together[0])
    copy = pickle.loads(pickle.dumps(fitted))  # noqa: S301  (made in the line itself)
    assert copy.apply(said).tolist() == together.tolist()


def test_a_special_month_does_not_bend_the_map() -> None:
    said, true = users(3_000)
    special = calibration.fit([said, said * 2], [true, 10 * true])
    np.testing.assert_allclose(special.actual, calibration.fit([said, said], [true, true]).actual)


def test_groups_in_the_wrong_order_are_pooled() -> None:
    said = np.repeat([1.0, 2.0, 3.0], 10_000)
    fitted = calibration.fit([said], [np.repeat([1.0, 5.0, 3.0], 10_000)])
    assert len(fitted.actual) == 2
    np.testing.assert_allclose(fitted.actual, np.array([1, 4]) / 3, rtol=0.05)  # in units of the mean, 3


def test_one_enormous_order_moves_nobody_much() -> None:
    said, true = users(5_000)
    spoiled = true.copy()
    spoiled[7] = 1e9
    np.testing.assert_allclose(
        calibration.fit([said], [spoiled]).at_level(said, 1.0).apply(said),
        calibration.fit([said], [true]).at_level(said, 1.0).apply(said),
        rtol=0.3,  # the order counts as the largest of the others, in a group of 250
    )


@pytest.mark.parametrize("said", [[], [5.0], [0.0, 0.0], [3.0, 3.0]])
def test_little_to_learn_from_is_proportional_and_finite(said: list[float]) -> None:
    fitted = calibration.fit([said], [[0.0] * len(said)]).at_level(said, 60.0)
    assert np.isfinite(fitted.apply([0.0, 1.0, 1e9])).all()
    if sum(said):
        assert fitted.apply(said).sum() == pytest.approx(60.0)


def test_beyond_the_last_group_it_goes_on_in_proportion() -> None:
    fitted = Calibration(np.array([1.0, 2.0]), np.array([1.0, 3.0]), unit=10.0, level=100.0)
    assert fitted.apply([5.0, 15.0, 20.0, 40.0]).tolist() == [50.0, 200.0, 300.0, 600.0]
