"""Every family comes back from its files with the same predictions; where a format exists, without a pickle."""

import numpy as np
import pandas as pd
import pytest

from models import catalog, storage
from models.networks.compression import Sparse
from models.score.intervals import Intervals

WITH_PICKLES = ("bagging", "gradient_boosting", "random_forest", "svm")
NETWORKS = tuple(name for name, family in catalog.FAMILIES.items() if family.is_network)


@pytest.mark.parametrize("family", [name for name in catalog.FAMILIES if name not in NETWORKS])
def test_a_family_predicts_the_same_from_its_files(users, tmp_path, family):
    training = users(300)
    model = catalog.build(family, {}, seed=0, threads=1, horizon_days=28).fit(training)
    storage.write(model, tmp_path)
    again = storage.read(tmp_path)
    pd.testing.assert_frame_equal(again.predict(training.features), model.predict(training.features))
    assert any(tmp_path.glob("*.pkl")) == (family in WITH_PICKLES)


@pytest.mark.parametrize("family", ["mlp", "cnn_lstm"])
def test_a_network_is_stored_as_its_weights(users, tmp_path, family):
    training = users(120)
    network = catalog.build(family, {"epochs": 1, "members": 1}, seed=0, threads=1, horizon_days=28).fit(training)
    for number, model in enumerate([network, network.compressed("int8", 0.0), network.compressed("pruned", 0.5)]):
        folder = tmp_path / str(number)
        storage.write(model, folder)
        again = storage.read(folder)
        pd.testing.assert_frame_equal(again.predict(training.features), model.predict(training.features))
        assert not any(folder.glob("*.pkl"))
    assert isinstance(again.weights[0][0], Sparse)


def test_an_object_that_lacks_a_field_is_of_another_version(tmp_path):
    storage.write(Intervals(np.ones(1), np.ones((1, 41)), unit=2.0), tmp_path)
    (file,) = tmp_path.glob("*.json")
    file.write_text(file.read_text().replace('"laws"', '"high"'))
    with pytest.raises(ValueError, match=r"Intervals with laws: another version of Purse has stored it"):
        storage.read(tmp_path)


@pytest.mark.parametrize(
    "value",
    [
        {"a": (1, 2.5, None, True, "x"), ("k", 1): [float("inf"), -0.0]},
        np.array(["a", None, 3], dtype=object),
        np.array([], dtype=object),
        np.array([["x", "yz"]]),
        np.float32(1.5),
        np.int64(7),
        pd.MultiIndex.from_tuples([("a", "b"), ("c", "d")], names=["x", None]),
    ],
)
def test_a_value_comes_back_as_it_was(tmp_path, value):
    storage.write(value, tmp_path)
    again = storage.read(tmp_path)
    assert type(again) is type(value)
    if isinstance(value, np.ndarray):
        assert (again.dtype, again.tolist()) == (value.dtype, value.tolist())
    elif isinstance(value, pd.MultiIndex):
        pd.testing.assert_index_equal(again, value)
    else:
        assert again == value
