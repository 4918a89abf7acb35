import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.score import calibration
from models.score.calibration import Calibration


def users(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Predictions that are too flat: the truth is their square."""
    random = np.random.default_rng(seed)
    predicted = random.gamma(2.0, 50.0, count)
    return predicted, predicted**2 / 100 * random.lognormal(-0.125, 0.5, count)


def test_group_means_are_what_such_users_spent() -> None:
    predicted, true = users(40_000)
    later, truth = users(40_000, seed=1)
    calibrated = calibration.fit([predicted], [true]).at_level(later, truth.sum()).apply(later)
    for group in np.array_split(np.argsort(later), 5):
        assert calibrated[group].mean() == pytest.approx(truth[group].mean(), rel=0.1, abs=0.05 * truth.mean())


AMOUNTS = st.lists(st.floats(0, 1e6), min_size=1, max_size=60)


@given(learned=st.lists(st.tuples(st.floats(0.01, 1e4), st.floats(0, 1e6)), min_size=1, max_size=60), later=AMOUNTS)
def test_order_is_kept_and_ties_stay_ties(learned: list[tuple[float, float]], later: list[float]) -> None:
    predicted, true = np.array(learned).T
    calibrated = calibration.fit([predicted], [true]).apply([0.0, *later])
    order = np.argsort([0.0, *later], kind="stable")
    assert calibrated[0] == 0
    assert (np.diff(calibrated[order]) >= 0).all()
    assert (np.diff(calibrated[order])[np.diff(np.sort([0.0, *later])) == 0] == 0).all()


def test_no_ties_are_made() -> None:
    predicted, true = users(2_000)
    fitted = calibration.fit([predicted], [np.random.default_rng(0).permutation(true)]).at_level(predicted, 1e6)
    assert fitted.apply(predicted).argsort().tolist() == predicted.argsort().tolist()
    assert (np.diff(fitted.apply([0.0, 1.0, 2.0, 50.0, 1e3, 1e9])) > 0).all()


def test_total_is_the_level_and_a_user_alone_gets_the_same() -> None:
    predicted, true = users(3_000)
    fitted = calibration.fit([predicted], [true]).at_level(predicted, 12_345.0)
    together = fitted.apply(predicted)
    assert together.sum() == pytest.approx(12_345.0)
    assert fitted.apply(predicted[:1])[0] == pytest.approx(together[0])
    copy = pickle.loads(pickle.dumps(fitted))  # noqa: S301  (made in the line itself)
    assert copy.apply(predicted).tolist() == together.tolist()


def test_a_special_month_does_not_bend_the_map() -> None:
    predicted, true = users(3_000)
    special = calibration.fit([predicted, predicted * 2], [true, 10 * true])
    np.testing.assert_allclose(special.actual, calibration.fit([predicted, predicted], [true, true]).actual)


def test_groups_in_the_wrong_order_are_pooled() -> None:
    predicted = np.repeat([1.0, 2.0, 3.0], 10_000)
    fitted = calibration.fit([predicted], [np.repeat([1.0, 5.0, 3.0], 10_000)])
    assert len(fitted.actual) == 2
    np.testing.assert_allclose(fitted.actual, np.array([1, 4]) / 3, rtol=0.05)  # in units of the mean, 3


def test_one_enormous_order_moves_nobody_much() -> None:
    predicted, true = users(5_000)
    spoiled = true.copy()
    spoiled[7] = 1e9
    np.testing.assert_allclose(
        calibration.fit([predicted], [spoiled]).at_level(predicted, 1.0).apply(predicted),
        calibration.fit([predicted], [true]).at_level(predicted, 1.0).apply(predicted),
        rtol=0.3,  # the order counts as the largest of the others, in a group of 250
    )


@pytest.mark.parametrize("predicted", [[], [5.0], [0.0, 0.0], [3.0, 3.0]])
def test_little_to_learn_from_is_proportional_and_finite(predicted: list[float]) -> None:
    fitted = calibration.fit([predicted], [[0.0] * len(predicted)]).at_level(predicted, 60.0)
    assert np.isfinite(fitted.apply([0.0, 1.0, 1e9])).all()
    if sum(predicted):
        assert fitted.apply(predicted).sum() == pytest.approx(60.0)


def test_beyond_the_last_group_it_goes_on_in_proportion() -> None:
    fitted = Calibration(np.array([1.0, 2.0]), np.array([1.0, 3.0]), unit=10.0, level=100.0)
    assert fitted.apply([5.0, 15.0, 20.0, 40.0]).tolist() == [50.0, 200.0, 300.0, 600.0]
