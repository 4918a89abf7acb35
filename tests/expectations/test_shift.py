"""Volume and distribution against the days before, with answers from NumPy and by hand."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from expectations.shift import SPREADS, binned, shift, shift_between, volume, volume_between

DAY = date(2024, 3, 4)


def weeks(*counts: int) -> dict[date, int]:
    """Rows of DAY, and of the same weekday of the weeks before."""
    return {DAY - timedelta(weeks=n): count for n, count in enumerate(counts) if count}


@pytest.mark.parametrize(
    ("counts", "spreads"),
    [
        ([100] * 9, 0.0),
        ([50] + [100] * 8, -5.0),  # a tenth of the median is 10
        ([50, 1] + [100] * 7, -5.0),  # one odd week changes nothing
        ([0] + [100] * 8, -10.0),
        ([9] + [4] * 8, 2.5),  # of small counts chance is the root, 2
        ([100, 100, 100], float("nan")),
    ],
)
def test_volume(counts, spreads):
    assert volume(weeks(*counts), DAY) == pytest.approx(spreads, nan_ok=True)


def test_volume_of_days_that_vary_by_themselves():
    counts = [100, 80, 120, 90, 110, 70, 130, 100, 100]
    deviations = np.abs(np.array(counts[1:]) - np.median(counts[1:]))
    assert volume(weeks(160, *counts[1:]), DAY) == pytest.approx(60 / (1.4826 * np.median(deviations)), rel=1e-4)


def test_a_shift_stands_out_and_quiet_days_do_not():
    random = np.random.default_rng(0)
    counts = random.multinomial(500, [0.5, 0.3, 0.2], 120).astype(float)
    counts[100] = [200, 100, 200]
    found = shift(counts)
    assert np.isnan(found[:7]).all()
    assert (found[np.arange(120) >= 28] > 1).sum() == 1
    assert found[100] > 1
    assert SPREADS > 1


def test_few_rows_say_nothing():
    counts = np.full((40, 2), 20.0)
    counts[39] = [5, 0]
    assert np.isnan(shift(counts)[39])
    assert np.isnan(shift_between(np.array([5.0, 5]), np.array([500.0, 0])))
    assert shift_between(np.array([50.0, 0]), np.array([0.0, 50])) == pytest.approx(10)  # distance 1, in tenths


def test_bins_of_numbers_and_of_words():
    numbers = pd.Series(range(100), dtype=float)
    old, new = binned(numbers, pd.Series([0.0, 99.0, None, np.nan]))
    assert old.tolist() == [10.0] * 10 + [0.0]
    assert (new[0], new[9], new[10]) == (1, 1, 2)
    old, new = binned(pd.Series(["a", "b", None]), pd.Series(["c", "a"]))
    assert (old.tolist(), new.tolist()) == ([1, 1, 0, 1], [1, 0, 1, 0])
    old, new = binned(pd.Series([None, None], dtype=float), pd.Series([1.0]))
    assert (old.tolist(), new.tolist()) == ([0, 2], [1, 0])


def test_deliveries_of_a_whole_table():
    assert volume_between(100, 50) == -5
    assert np.isnan(volume_between(0, 50))
