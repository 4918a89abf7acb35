"""The networks' inputs, heads and training loop; what every family promises is in test_families.py."""

import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from models import catalog
from models.measures.gini import normalized_gini
from models.networks.architectures import Design, build
from models.networks.data import Data, Epoch
from models.networks.encoding import NetworkEncoder, SequenceEncoder, padded
from models.networks.heads import HEADS, ziln_loss
from models.networks.spend_network import HELD_OUT, held_out
from models.networks.training import Schedule, train

LISTS = [[1.0, 2.0, 3.0], None, [4.0], [], [5.0, np.nan]]
SCHEDULE = Schedule(batch=32, epochs=4, patience=4, learning_rate=0.01, weight_decay=0.0, seed=0)


@pytest.mark.parametrize("dtype", [None, pd.ArrowDtype(pa.list_(pa.float64()))])
def test_the_newest_values_are_right_aligned(dtype):
    one = pd.Series(LISTS, dtype=dtype)
    other = pd.Series([[-value for value in values] if values else values for values in LISTS], dtype=dtype)
    values, present = padded(pd.DataFrame({"one": one, "other": other}), 2)
    np.testing.assert_array_equal(values[..., 0], [[2, 3], [0, 0], [0, 4], [0, 0], [5, 0]])
    np.testing.assert_array_equal(values[..., 1], -values[..., 0])
    np.testing.assert_array_equal(present, [[1, 1], [0, 0], [0, 1], [0, 0], [1, 1]])


@given(
    lists=st.lists(st.none() | st.lists(st.integers(-9, 9).map(float), max_size=6), min_size=1, max_size=9),
    length=st.integers(1, 7),
)
def test_padding_by_hand(lists, length):
    values, present = padded(pd.DataFrame({"one": pd.Series(lists, dtype=object)}), length)
    newest = [(actions or [])[-length:] for actions in lists]
    assert values[..., 0].tolist() == [[0.0] * (length - len(actions)) + actions for actions in newest]
    assert present.sum(axis=1).tolist() == [len(actions) for actions in newest]


def test_scales_are_those_of_actions_and_not_of_padding():
    frame = pd.DataFrame({"sequence_spend": [[np.e - 1], [np.e**3 - 1, np.e**3 - 1, -(np.e**3 - 1)]]})
    encoder = SequenceEncoder(4).fit(frame)
    logs = np.array([1, 3, 3, -3])
    encoded = encoder.transform(frame)
    assert encoded.shape == (2, 4, 2)
    np.testing.assert_allclose(encoded[0, :, 0], [0, 0, 0, (1 - logs.mean()) / logs.std()], rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(encoded[:, :, 1], [[0, 0, 0, 1], [0, 1, 1, 1]])


def test_inputs_stay_within_what_was_seen(users):
    seen, later = users(200).features, users(1).features
    encoder = NetworkEncoder(SequenceEncoder(8)).fit(seen)
    known, numbers = encoder.transform(seen), later.select_dtypes("number").columns
    for value in (-1e30, 1e30):
        strange = encoder.transform(later.assign(**dict.fromkeys(numbers, value), sequence_spend=[[value]]))
        for name in ("numbers", "steps"):
            axes = tuple(range(known[name].ndim - 1))
            assert (strange[name] <= known[name].max(axis=axes)).all()
            assert (strange[name] >= known[name].min(axis=axes)).all()


def test_without_sequences_a_family_that_reads_them_says_what_to_do(users):
    training = users(50)
    bare = replace(training, features=training.features.filter(regex="^(?!sequence_)"))
    for family in catalog.FAMILIES:
        if catalog.reads_sequences(family):
            model = catalog.build(family, {"epochs": 1}, seed=0, threads=1, horizon_days=28)
            with pytest.raises(ValueError, match=r"Expected sequences .* features\.sequences"):
                model.fit(bare)


def test_categories_become_codes_and_strangers_share_one():
    frame = pd.DataFrame({"spend_28d": [1.0, 2.0, 3.0], "region": ["south", "north", "missing"]})
    encoder = NetworkEncoder().fit(frame)
    assert encoder.transform(frame)["categories"].tolist() == [[3], [2], [1]]
    assert encoder.transform(frame.assign(region="mars"))["categories"].tolist() == [[0]] * 3


def ziln(bought: float, amount: float, *outputs: float) -> float:
    from keras import ops

    rows = (np.array([row], dtype=np.float32) for row in ([bought, amount], outputs))
    return float(ops.convert_to_numpy(ziln_loss(*(ops.convert_to_tensor(row) for row in rows)))[0])


@pytest.mark.parametrize(("amount", "logit", "mean", "spread"), [(2.5, 0.3, 0.7, 0.1), (0.01, -2.0, -1.0, 1.5)])
def test_a_buyer_pays_the_lognormal_likelihood(amount, logit, mean, spread):
    density = stats.lognorm(s=np.log1p(np.exp(spread)), scale=np.exp(mean))
    assert ziln(1, amount, logit, mean, spread) == pytest.approx(
        -np.log(expit(logit)) - density.logpdf(amount), rel=1e-5
    )


def test_who_does_not_buy_or_spend_says_nothing_about_amounts():
    assert ziln(0, 0, 0.3, 5, 5) == pytest.approx(-np.log(1 - expit(0.3)), rel=1e-5)
    assert ziln(1, 0, 0.3, 5, 5) == pytest.approx(-np.log(expit(0.3)), rel=1e-5)


def test_the_amount_of_a_lognormal_is_its_mean():
    found = HEADS["ziln"].amount(np.array([[0.0, 0.7, 0.1]]))
    assert found == pytest.approx(stats.lognorm(s=np.log1p(np.exp(0.1)), scale=np.exp(0.7)).mean())


@pytest.mark.parametrize("head", list(HEADS))
def test_far_out_everything_stays_finite(head):
    outputs = np.array([[sign * 1e4] * HEADS[head].outputs for sign in (-1, 1)])
    assert np.isfinite(HEADS[head].amount(outputs)).all()
    assert np.isfinite([ziln(1, 1e30, *row) for row in ([-1e4] * 3, [1e4] * 3)]).all()


def some_data(users: int, length: int = 8) -> Data:
    random = np.random.default_rng(0)
    counts = random.integers(1, 9, users)
    present = (np.arange(length) >= length - counts[:, None])[..., None]
    values = np.zeros((users, length, 2))
    values[:, -8:] = random.normal(size=(users, 8, 2))
    steps = np.concatenate([values * present, present], axis=2)
    bought = random.random(users) < expit(values[:, -1, 0])
    numbers, regions = random.normal(size=(users, 3)), random.integers(0, 4, (users, 1))
    inputs = {"numbers": numbers.astype(np.float32), "categories": regions.astype(np.int32)}
    amounts = bought * random.lognormal(size=users)
    return inputs | {"steps": steps.astype(np.float32)}, np.column_stack([bought, amounts]).astype(np.float32)


def a_network(reader: str, data: Data, **changes):
    import keras

    keras.utils.set_random_seed(0)
    shapes = {name: values.shape[1:] for name, values in data[0].items()}
    return build(Design(reader=reader, units=8, filters=8, memory=8, **changes), shapes, [3], 3)


@pytest.mark.parametrize("reader", ["cnn", "rnn", "cnn_lstm"])
def test_padding_changes_nothing(reader):
    short, long = some_data(20, 8), some_data(20, 20)
    network, wide = a_network(reader, short), a_network(reader, long)
    wide.set_weights(network.get_weights())
    np.testing.assert_allclose(network.predict_on_batch(short[0]), wide.predict_on_batch(long[0]), atol=1e-6)


def trained(epochs: int, checkpoints: Path | None, data: Data) -> tuple[list[Epoch], list[np.ndarray]]:
    network, schedule = a_network("cnn_lstm", data), replace(SCHEDULE, epochs=epochs)
    history = train(network, HEADS["ziln"], data, some_data(50), schedule, checkpoints=checkpoints)
    return history, network.get_weights()


def without_seconds(history: list[Epoch]) -> list[Epoch]:
    return [{**epoch, "seconds": 0} for epoch in history]


class Killed(NamedTuple):
    """A run that was killed after two epochs, and its checkpoints."""

    history: list[Epoch]
    folder: Path


@pytest.fixture(scope="module")
def killed_run(tmp_path_factory) -> Killed:
    folder = tmp_path_factory.mktemp("checkpoints")
    return Killed(trained(2, folder, some_data(200))[0], folder)


@pytest.fixture
def killed(killed_run, tmp_path) -> Killed:
    """A copy of `killed_run` that a test may resume."""
    return Killed(killed_run.history, Path(shutil.copytree(killed_run.folder, tmp_path / "checkpoints")))


def test_a_killed_run_resumes_to_the_same_weights(killed):
    data = some_data(200)
    (resumed, weights), (straight, expected) = trained(4, killed.folder, data), trained(4, None, data)
    assert resumed[:2] == killed.history  # seconds too: they were not trained again
    assert without_seconds(resumed) == without_seconds(straight)
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [path.name for path in killed.folder.iterdir()] == ["epoch.npz"]


def test_a_checkpoint_of_other_data_is_not_resumed(killed):
    other = some_data(100)
    assert without_seconds(trained(1, killed.folder, other)[0]) == without_seconds(trained(1, None, other)[0])


def test_training_stops_when_it_no_longer_helps_and_keeps_the_best_weights():
    data, held_out = some_data(64), some_data(50)
    network = a_network("cnn", data, dropout=0.0)
    schedule = replace(SCHEDULE, epochs=60, patience=3, learning_rate=0.05)
    losses = [epoch["validation_loss"] for epoch in train(network, HEADS["ziln"], data, held_out, schedule)]
    assert len(losses) == int(np.argmin(losses)) + 1 + 3 < 60
    assert network.evaluate(*held_out, verbose=0) == pytest.approx(min(losses), rel=1e-5)


def test_the_ngini_of_an_epoch_is_that_of_what_the_weights_say():
    data, held_out = some_data(200), some_data(50)
    network = a_network("cnn", data)
    epoch = train(network, HEADS["ziln"], data, held_out, replace(SCHEDULE, epochs=1))[0]
    outputs = network.predict_on_batch(held_out[0]).astype(np.float64)
    expected = expit(outputs[:, 0]) * np.minimum(HEADS["ziln"].amount(outputs), data[1][:, 1].max())
    assert epoch["validation_ngini"] == pytest.approx(normalized_gini(held_out[1][:, 1], expected), abs=1e-4)


def test_users_who_decide_when_to_stop_have_no_row_to_learn_from(users):
    training, rows = users(1_000), np.arange(0, 1_000, 2)
    named = replace(training, user_id=pd.Series([f"u{row % 200}" for row in range(1_000)]))
    aside = held_out(named, rows, seed=0)
    names = named.user_id.iloc[rows]
    assert not set(names[aside]) & set(names[~aside])
    assert names[aside].nunique() == HELD_OUT * names.nunique()
    each_its_own = replace(named, user_id=pd.Series(range(1_000)))
    np.testing.assert_array_equal(held_out(training, rows, 0), held_out(each_its_own, rows, 0))


@pytest.mark.parametrize(("count", "aside"), [(1, 1), (2, 1), (5, 1), (100, 10)])
def test_of_any_number_of_users_somebody_decides(users, count, aside):
    assert held_out(users(count), np.arange(count), seed=0).sum() == aside


def test_the_callback_gets_every_epoch_restored_ones_too(killed):
    data, seen = some_data(200), []
    history = train(
        a_network("cnn_lstm", data),
        HEADS["ziln"],
        data,
        some_data(50),
        replace(SCHEDULE, epochs=3),
        checkpoints=killed.folder,
        watch=lambda *epoch: seen.append(epoch),
    )
    assert seen == list(enumerate(history))
    assert history[:2] == killed.history
    assert len(seen) == 3


def test_the_callback_may_end_the_fit_and_is_not_pickled(users):
    seen = []

    def watch(member, epoch, losses):
        seen.append((member, epoch, losses["validation_ngini"]))
        if (member, epoch) == (1, 0):
            raise InterruptedError

    params = {"epochs": 2, "members": 3, "max_rows": 100, "watch": watch}
    model = catalog.build("ziln", params, seed=0, threads=1, horizon_days=28)
    with pytest.raises(InterruptedError):
        model.fit(users(200))
    assert [epoch[:2] for epoch in seen] == [(0, 0), (0, 1), (1, 0)]
    assert pickle.loads(pickle.dumps(model)).watch is None  # noqa: S301  (made in the line itself)


def test_training_on_the_device_needs_jax():
    import keras

    if keras.backend.backend() == "jax":
        pytest.skip("Keras runs on JAX")
    data = some_data(20)
    with pytest.raises(ValueError, match=r"training\.backend"):
        train(a_network("cnn", data), HEADS["ziln"], data, data, SCHEDULE, loop="device")


def test_a_family_keeps_the_losses_of_its_members_and_samples_large_sets(users, tmp_path):
    params = {"epochs": 2, "members": 3, "max_rows": 100, "batch": 10, "checkpoints": tmp_path}
    model = catalog.build("cnn", params, seed=0, threads=1, horizon_days=28).fit(users(300))
    assert [[sorted(epoch) for epoch in member] for member in model.history] == [
        [["loss", "seconds", "validation_loss", "validation_ngini"]] * 2
    ] * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["member-0", "member-1", "member-2"]
