"""Compressed weights by hand, and what a compressed network keeps of the whole one."""

import os
import pickle

import numpy as np
import pandas as pd
import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from models import catalog
from models.measures.gini import normalized_gini
from models.networks.compression import Int8, Sparse, compressed, restored

WEIGHT = np.array([[1.0, -0.1], [-2.0, 0.04], [0.5, 0.0]], np.float32)


def test_each_channel_is_rounded_to_steps_of_its_largest_weight():
    stored = compressed(WEIGHT, "int8", 0.5)
    assert isinstance(stored, Int8)
    assert stored.values.dtype == np.int8
    np.testing.assert_array_equal(stored.values, [[64, -127], [-127, 51], [32, 0]])
    steps = np.array([2.0, 0.1]) / 127
    np.testing.assert_allclose(restored(stored), stored.values * steps, rtol=1e-4)
    assert (np.abs(restored(stored) - WEIGHT) <= steps / 2 + 1e-6).all()


def test_the_smallest_weights_are_dropped():
    stored = compressed(WEIGHT, "pruned", 0.5)
    assert isinstance(stored, Sparse)
    assert (stored.stored.nbytes, stored.values.tolist()) == (1, [1.0, -2.0, 0.5])
    np.testing.assert_array_equal(restored(stored), [[1, 0], [-2, 0], [0.5, 0]])


@pytest.mark.parametrize(("sparsity", "left"), [(0.0, 6), (1.0, 0)])
def test_pruning_has_its_ends(sparsity, left):
    stored = compressed(WEIGHT, "pruned", sparsity)
    assert len(stored.values) == left
    np.testing.assert_array_equal(restored(stored), WEIGHT if left else WEIGHT * 0)


@pytest.mark.parametrize("variant", ["int8", "pruned"])
def test_nothing_and_zeros_stay_themselves(variant):
    np.testing.assert_array_equal(restored(compressed(WEIGHT * 0, variant, 0.5)), WEIGHT * 0)
    for bias in (WEIGHT[:, 0], WEIGHT[:2]):  # a GRU's are two
        assert compressed(bias, variant, 0.5) is bias


@pytest.mark.parametrize("family", ["mlp", "cnn", "rnn", "cnn_lstm"])
def test_a_compressed_network_is_smaller_and_almost_the_same(family, users):
    later = users(500, seed=1)
    params = {"epochs": 2, "members": 1, "units": 64}
    whole = catalog.build(family, params, seed=0, threads=1, horizon_days=28).fit(users(600))
    size, said = len(pickle.dumps(whole)), whole.predict(later.features)
    for variant, share in (("int8", 0.5), ("pruned", 0.8)):
        small = whole.compressed(variant, 0.5)
        assert len(pickle.dumps(small)) < share * size
        answer = small.predict(later.features)
        pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(small)).predict(later.features), answer)  # noqa: S301
        if variant == "int8":
            found = normalized_gini(later.future_spend, answer["expected_spend"])
            assert found == pytest.approx(normalized_gini(later.future_spend, said["expected_spend"]), abs=0.005)
    pd.testing.assert_frame_equal(whole.predict(later.features), said)
