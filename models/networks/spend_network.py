"""Network families: numbers, embedded categories and, optionally, sequences, with one of two heads."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from typing_extensions import override

from models.networks.architectures import Design, build
from models.networks.compression import Variant, Weight, compressed, restored
from models.networks.data import Data, Epoch
from models.networks.encoding import Arrays, NetworkEncoder, SequenceEncoder
from models.networks.heads import HEADS, Floats, Head, predictions
from models.networks.quiet import load_keras
from models.networks.training import Schedule, on_gpu, train
from models.protocol import LabelledUsers, SpendModel
from models.targets import as_predictions, require_users, winsorised_spend

if TYPE_CHECKING:
    import keras

HELD_OUT = 0.1
"""Share of the training users held out for early stopping if there is no validation set."""

CHUNK = 16_384
"""Users predicted at a time."""

EpochWatcher = Callable[[int, int, Epoch], None]
"""Called after each epoch with the member, the epoch (both from 0) and its measures; an exception ends the fit."""


@dataclass(kw_only=True)
class SpendNetwork(Design, SpendModel):
    """A `Design` that learns to predict spend and purchase.

    Targets are whether the user bought, and `winsorised_spend` in units of its mean. Training uses 16-bit floats on a
    GPU, prediction 32 bits everywhere. A network pickles as its weights, compressed or not; weights learned on one
    backend or device predict on any other.

    Attributes:
        seed: seed of everything random.
        head: "two_part" (purchase times mean amount) or "ziln" (purchase and lognormal amount).
        length: actions read per user.
        batch, epochs, patience, learning_rate, weight_decay: see `Schedule`.
        members: number of networks with different random starts whose predictions are averaged: a single one ranks the
            few users who matter most by chance.
        max_rows: maximum rows per member, drawn without replacement; bounds the time of a fit.
        checkpoints: folder of the checkpoints, one subfolder per member, see `train`; None for none. Not pickled.
        watch: see `EpochWatcher`; also called for epochs restored by a resumed fit. Not pickled.
        history: measures by member and epoch; learned.
    """

    seed: int
    head: Literal["two_part", "ziln"] = "two_part"
    length: int = 32
    batch: int = 1_024
    epochs: int = 16
    patience: int = 2
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    members: int = 2
    max_rows: int = 50_000
    checkpoints: Path | None = None
    watch: EpochWatcher | None = None
    history: list[list[Epoch]] = field(default_factory=list, init=False)
    encoder: NetworkEncoder = field(default_factory=NetworkEncoder, init=False)
    scale: float = field(default=1.0, init=False)
    largest: float = field(default=0.0, init=False)
    weights: list[list[Weight]] = field(default_factory=list, init=False)
    _built: "list[keras.Model] | None" = field(default=None, init=False, repr=False, compare=False)

    @override
    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        require_users(training)
        load_keras()
        self.largest = float(winsorised_spend(training).max())
        self.scale = float(winsorised_spend(training).mean()) or 1.0
        self.encoder = NetworkEncoder(SequenceEncoder(self.length) if self.reader != "none" else None)
        self.encoder.fit(training.features)
        check = self._data(validation) if validation is not None and len(validation) else None
        self.history, self.weights, self._built = [], [], None
        for member in range(self.members):
            rows = np.random.default_rng([self.seed, member]).permutation(len(training))[: self.max_rows]
            self._fit_member(member, *self._parts(training, np.sort(rows), check, self.seed + member))
        return self

    @override
    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        load_keras()
        inputs = self.encoder.transform(features)
        probability, spend = np.zeros(len(features)), np.zeros(len(features))
        for network in self._networks(inputs):
            buys, amount = predictions(self._head, _outputs(network, inputs), self.largest / self.scale)
            probability += buys / self.members
            spend += buys * amount * self.scale / self.members
        return as_predictions(features, spend, probability)

    def compressed(self, variant: Variant, sparsity: float) -> Self:
        """Copy a fitted network with compressed weights, which pickles smaller; see `models.networks.compression`."""
        load_keras()
        smaller = copy(self)
        smaller._built = None
        smaller.weights = [
            [compressed(restored(weight), variant, sparsity) for weight in each] for each in self.weights
        ]
        return smaller

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "checkpoints": None, "watch": None, "_built": None}

    @property
    def _head(self) -> Head:
        return HEADS[self.head]

    def _networks(self, inputs: Arrays) -> "list[keras.Model]":
        """Member networks, built once per process: for one user, building takes longer than predicting."""
        if self._built is None:
            networks = [self._network(inputs) for _ in self.weights]
            for network, weights in zip(networks, self.weights, strict=True):
                network.set_weights([restored(weight) for weight in weights])
            self._built = networks
        return self._built

    def _fit_member(self, member: int, learn: Data, check: Data) -> None:
        import keras

        seed = self.seed + member
        keras.utils.set_random_seed(seed)
        schedule = Schedule(self.batch, self.epochs, self.patience, self.learning_rate, self.weight_decay, seed)
        network = self._network(learn[0], "mixed_bfloat16" if on_gpu() else "float32", unroll=on_gpu())
        folder = self.checkpoints / f"member-{member}" if self.checkpoints else None
        watch = partial(self.watch, member) if self.watch else None
        self.history.append(train(network, self._head, learn, check, schedule, checkpoints=folder, watch=watch))
        self.weights.append(network.get_weights())

    def _parts(self, users: LabelledUsers, rows: NDArray[np.intp], check: Data | None, seed: int) -> tuple[Data, Data]:
        """Training and validation data; without a validation set, hold out users of `rows`."""
        if check is not None:
            return self._data(users, rows), check
        aside = held_out(users, rows, seed)
        return self._data(users, rows if aside.all() else rows[~aside]), self._data(users, rows[aside])

    def _data(self, users: LabelledUsers, rows: NDArray[np.intp] | None = None) -> Data:
        """Inputs and targets of all users, or of `rows` (positions)."""
        chosen = slice(None) if rows is None else rows
        inputs = self.encoder.transform(users.features.iloc[chosen])
        return inputs, self._targets(users)[chosen]

    def _targets(self, users: LabelledUsers) -> NDArray[np.float32]:
        """Bought, and amount in units of the training mean; shape (users, 2)."""
        spend = users.future_spend.to_numpy(dtype=np.float64).clip(0, self.largest)
        return np.column_stack([users.purchased, spend / self.scale]).astype(np.float32)

    def _network(self, inputs: Arrays, precision: str = "float32", *, unroll: bool = False) -> "keras.Model":
        shapes = {name: values.shape[1:] for name, values in inputs.items()}
        categories = [len(known) for known in self.encoder.categories.values()]
        return build(self, shapes, categories, self._head.outputs, precision, unroll=unroll)


def held_out(users: LabelledUsers, rows: NDArray[np.intp], seed: int) -> NDArray[np.bool_]:
    """Mask of rows held out for early stopping: every row of a random `HELD_OUT` share of users.

    Labels of neighbouring snapshots overlap, so a network that has seen one row of a user knows much of the next row's
    label: on rows held out at random the loss would fall for as long as it trains.

    Args:
        users: labelled users; without `user_id`, each row counts as a user.
        rows: positions of the rows to split.
        seed: seed of the draw.

    Returns:
        Mask over `rows`; True for at least one user, and for the only one.

    >>> spend = pd.Series([1.0] * 20)
    >>> users = LabelledUsers(pd.DataFrame(index=spend.index), spend, spend > 0, user_id=pd.Series([0, 1] * 10))
    >>> int(held_out(users, np.arange(20), seed=0).sum())
    10
    """
    number, known = pd.factorize(rows if users.user_id is None else users.user_id.iloc[rows])
    chance = np.random.default_rng(seed).random(len(known))
    return (chance <= np.quantile(chance, HELD_OUT))[number]


def _outputs(network: "keras.Model", inputs: Arrays) -> Floats:
    """Network outputs, compiled on the first call: eager recurrence takes a fifth of a second for a single user."""
    users = len(inputs["numbers"])
    chunks = [
        {name: values[start : start + CHUNK] for name, values in inputs.items()}
        for start in range(0, max(users, 1), CHUNK)
    ]
    return np.vstack([network.predict_on_batch(chunk) for chunk in chunks]).astype(np.float64)
