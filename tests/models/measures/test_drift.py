"""Distances against answers by hand and by SciPy on the rows themselves, and the edges of a column."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wasserstein_distance

from models.measures.drift import (
    LEAST,
    MIN_ROWS,
    UNKNOWN,
    Column,
    Summary,
    check,
    compare,
    learn,
    persistent,
    pool,
    summarise,
)

RANDOM = np.random.default_rng(0)
NORMAL = pd.Series(RANDOM.normal(10, 2, 5000))


def test_a_shift_counts_in_standard_deviations():
    moved = compare(summarise(NORMAL), summarise(NORMAL + 1))
    assert moved["distance"] == pytest.approx(wasserstein_distance(NORMAL, NORMAL + 1) / NORMAL.std(), rel=0.05)
    assert moved["missing"] == 0
    assert compare(summarise(NORMAL), summarise(NORMAL)) == {"missing": 0, "psi": 0, "distance": 0}


def test_psi_and_jensen_shannon_of_categories_by_hand():
    before = summarise(pd.Series(["a"] * 5000 + ["b"] * 5000))
    after = summarise(pd.Series(["a"] * 7500 + ["b"] * 2500))
    found = compare(before, after)
    assert found["psi"] == pytest.approx(0.25 * np.log(0.75 / 0.5) - 0.25 * np.log(0.25 / 0.5), abs=1e-3)
    middle = np.array([0.625, 0.375])
    divergence = sum(0.5 * np.sum(p * np.log2(p / middle)) for p in (np.array([0.5, 0.5]), np.array([0.75, 0.25])))
    assert found["distance"] == pytest.approx(np.sqrt(divergence))


def test_psi_of_numbers_by_hand():
    """Half of the values move from the lowest tenths into the highest one."""
    before = pd.Series(np.arange(1000.0))
    found = compare(summarise(before), summarise(before.where(before >= 500, 999)))
    shares = np.array([0.0] * 5 + [0.1] * 4 + [0.6])
    by_hand = sum((a - 0.1) * np.log((a * 1000 + 0.5) / 100.5) for a in shares)
    assert found["psi"] == pytest.approx(by_hand, rel=0.1)


def test_a_new_category_and_one_that_is_gone_are_finite():
    found = compare(summarise(pd.Series(["a", "b"] * 50)), summarise(pd.Series(["c"] * 100)))
    assert found["distance"] == pytest.approx(1)
    assert 1 < found["psi"] < np.inf


@pytest.mark.parametrize("empty", [pd.Series([np.nan] * 50), pd.Series([None] * 50, dtype="object")])
def test_of_nothing_known_only_the_missing_share_is_compared(empty):
    other = pd.Series([1.0] * 50) if empty.dtype == float else pd.Series(["a"] * 50)
    assert compare(summarise(other), summarise(empty)) == {"missing": 1}
    assert compare(summarise(empty), summarise(other)) == {"missing": 1}
    assert compare(summarise(empty), summarise(empty)) == {"missing": 0}


def test_a_constant_that_changes_moves_by_parts_of_itself():
    constant = summarise(pd.Series([4.0] * 100))
    assert compare(constant, constant)["distance"] == 0
    moved = compare(constant, summarise(pd.Series([5.0] * 100)))
    assert moved["distance"] == pytest.approx(0.25)
    assert moved["psi"] > UNKNOWN["psi"]
    spread = compare(constant, summarise(pd.Series([np.inf, *[4.0] * 99])))
    assert spread["missing"] == pytest.approx(0.01)


def test_one_huge_value_is_no_drift():
    found = compare(summarise(NORMAL), summarise(pd.concat([NORMAL, pd.Series([1e9])])))
    assert found["distance"] < 0.02


def test_parts_together_are_the_whole():
    whole = summarise(NORMAL)
    parts = pool([summarise(NORMAL[:1000]), summarise(NORMAL[1000:])])
    assert parts.rows == 5000
    assert np.abs(np.array(parts.grid) - whole.grid)[2:-2].max() < 0.15
    shares = pool([summarise(pd.Series(["a"] * 30)), summarise(pd.Series(["b"] * 10))]).shares
    assert shares == {"a": 0.75, "b": 0.25}
    assert pool([Summary(40, 1.0), Summary(40, 1.0)]) == Summary(80, 1.0)


def test_what_quiet_data_does_is_no_violation():
    quiet = [summarise(pd.Series(RANDOM.normal(10, 2, 200))) for _ in range(20)]
    column = learn(pool(quiet), quiet, [0.0] * 20)
    again = Column.from_dict(json.loads(json.dumps(asdict(column))))
    for _ in range(20):
        now = summarise(pd.Series(RANDOM.normal(10, 2, 200)))
        assert all(found.value <= found.threshold for found in check(again, now, 0.0, 5.0))
    moved = {found.measure: found for found in check(again, summarise(pd.Series(RANDOM.normal(12, 2, 200))), 0.0, 5.0)}
    assert moved["psi"].value > moved["psi"].threshold
    assert moved["distance"].value > moved["distance"].threshold


def test_totals_that_grow_are_quiet_as_long_as_they_grow_as_before():
    def total(day: int) -> Summary:
        return summarise(NORMAL * (1 + day / 100))

    column = learn(total(0), [total(-7), total(-14), total(-21)], [7, 14, 21])
    assert all(found.value <= found.threshold for found in check(column, total(42), 42.0, 5.0))
    assert any(found.value > found.threshold for found in check(column, total(120), 42.0, 5.0))


def test_without_quiet_data_the_customary_limits_hold():
    column = learn(summarise(NORMAL), [summarise(NORMAL)], [7])
    assert {found.measure: found.threshold for found in check(column, summarise(NORMAL), 7.0, 5.0)} == UNKNOWN
    still = learn(summarise(NORMAL), [summarise(NORMAL)] * 3, [7, 14, 21])
    assert {found.measure: found.threshold for found in check(still, summarise(NORMAL), 7.0, 5.0)} == LEAST


@pytest.mark.parametrize("rows", [0, 1, MIN_ROWS - 1])
def test_of_few_rows_nothing_is_said(rows):
    column = learn(summarise(NORMAL), [summarise(NORMAL)] * 3, [7, 14, 21])
    assert list(check(column, summarise(pd.Series([99.0] * rows, dtype=float)), 7.0, 5.0)) == []


def test_only_what_lasts_is_an_alarm():
    a, b, none = frozenset("a"), frozenset("b"), frozenset()
    assert persistent([], 2, 3) == []
    assert persistent([a], 2, 3) == []
    assert persistent([a, b], 2, 3) == []
    assert persistent([a, none, a | b], 2, 3) == ["a"]
    assert persistent([a, a, none], 2, 3) == []
    assert persistent([a, none, none, a], 2, 3) == []
