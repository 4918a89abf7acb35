"""The network families: numbers, embedded categories and, where they read them, sequences; one of two heads."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from typing_extensions import override

from models.networks.architectures import Design, build
from models.networks.encoding import Arrays, NetworkEncoder, SequenceEncoder
from models.networks.heads import HEADS, Floats, Head, answers
from models.networks.training import Data, Epoch, Schedule, on_gpu, train
from models.protocol import LabelledUsers, SpendModel
from models.targets import as_predictions, require_users, winsorised_spend

if TYPE_CHECKING:
    import keras

HELD_OUT = 0.1
"""Share of the training rows that decides when to stop if there is no validation set."""

CHUNK = 16_384
"""Users predicted at a time."""

EpochWatcher = Callable[[int, int, Epoch], None]
"""Told the member, the epoch (both from 0) and its losses after each epoch; what it raises ends the fit."""


@dataclass(kw_only=True)
class SpendNetwork(Design, SpendModel):
    """A `Design` that learns to predict spend and purchase.

    Targets are whether the user bought and `winsorised_spend` in units of its mean. It trains in 16-bit floats on a GPU
    and predicts in 32 bits everywhere. A network pickles as its weights; those learned on one backend or device predict
    on any other.

    Attributes:
        seed: of everything random.
        head: "two_part" (purchase times mean amount) or "ziln" (purchase and a lognormal amount).
        length: actions read of each user's sequence.
        batch, epochs, patience, learning_rate, weight_decay: see `Schedule`.
        members: networks that differ in their random start and answer together, by their mean: one alone ranks the few
            users who matter most by chance.
        max_rows: of a larger training set each member learns from so many rows, drawn without replacement; this, and
            not the size of the data, bounds the time of a fit.
        checkpoints: folder for checkpoints, one subfolder per member, see `train`; None for none. Not pickled.
        watch: see `EpochWatcher`; epochs that a resumed fit finds done are told too. Not pickled.
        history: losses by member and epoch; learned.
    """

    seed: int
    head: Literal["two_part", "ziln"] = "two_part"
    length: int = 32
    batch: int = 1_024
    epochs: int = 8
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
    weights: list[list[NDArray[np.float32]]] = field(default_factory=list, init=False)

    @override
    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        require_users(training)
        self.largest = float(winsorised_spend(training).max())
        self.scale = float(winsorised_spend(training).mean()) or 1.0
        self.encoder = NetworkEncoder(SequenceEncoder(self.length) if self.reader != "none" else None)
        self.encoder.fit(training.features)
        check = self._data(validation) if validation is not None and len(validation) else None
        self.history, self.weights = [], []
        for member in range(self.members):
            rows = np.random.default_rng([self.seed, member]).permutation(len(training))[: self.max_rows]
            self._fit_member(member, self._data(training, rows), check)
        return self

    @override
    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        inputs = self.encoder.transform(features)
        network = self._network(inputs)
        probability, spend = np.zeros(len(features)), np.zeros(len(features))
        for weights in self.weights:
            network.set_weights(weights)
            outputs = np.vstack([_outputs(network, inputs, start) for start in range(0, max(len(features), 1), CHUNK)])
            buys, amount = answers(self._head, outputs, self.largest / self.scale)
            probability += buys / self.members
            spend += buys * amount * self.scale / self.members
        return as_predictions(features, spend, probability)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "checkpoints": None, "watch": None}

    @property
    def _head(self) -> Head:
        return HEADS[self.head]

    def _fit_member(self, member: int, learn: Data, check: Data | None) -> None:
        import keras

        seed = self.seed + member
        keras.utils.set_random_seed(seed)
        if check is None:
            learn, check = _parted(learn, seed)
        schedule = Schedule(self.batch, self.epochs, self.patience, self.learning_rate, self.weight_decay, seed)
        network = self._network(learn[0], "mixed_bfloat16" if on_gpu() else "float32", unroll=on_gpu())
        folder = self.checkpoints / f"member-{member}" if self.checkpoints else None
        watch = partial(self.watch, member) if self.watch else None
        self.history.append(train(network, self._head, learn, check, schedule, checkpoints=folder, watch=watch))
        self.weights.append(network.get_weights())

    def _data(self, users: LabelledUsers, rows: NDArray[np.intp] | None = None) -> Data:
        """Inputs and targets of the users, or of those in `rows` (positions)."""
        chosen = slice(None) if rows is None else np.sort(rows)
        inputs = self.encoder.transform(users.features.iloc[chosen])
        return inputs, self._targets(users)[chosen]

    def _targets(self, users: LabelledUsers) -> NDArray[np.float32]:
        """Shape (users, 2): bought, and the amount in units of the training mean."""
        spend = users.future_spend.to_numpy(dtype=np.float64).clip(0, self.largest)
        return np.column_stack([users.purchased, spend / self.scale]).astype(np.float32)

    def _network(self, inputs: Arrays, precision: str = "float32", *, unroll: bool = False) -> "keras.Model":
        shapes = {name: values.shape[1:] for name, values in inputs.items()}
        categories = [len(known) for known in self.encoder.categories.values()]
        return build(self, shapes, categories, self._head.outputs, precision, unroll=unroll)


def _parted(data: Data, seed: int) -> tuple[Data, Data]:
    """Set `HELD_OUT` of the users aside; of too few to part, all learn and all decide."""
    inputs, targets = data
    aside = np.random.default_rng(seed).random(len(targets)) < HELD_OUT
    if not aside.any() or aside.all():
        return data, data
    learn = {name: values[~aside] for name, values in inputs.items()}, targets[~aside]
    return learn, ({name: values[aside] for name, values in inputs.items()}, targets[aside])


def _outputs(network: "keras.Model", inputs: Arrays, start: int) -> Floats:
    """A direct call: `network.predict` would compile anew for every freshly loaded network."""
    from keras import ops

    chunk = {name: values[start : start + CHUNK] for name, values in inputs.items()}
    return np.asarray(ops.convert_to_numpy(network(chunk, training=False)), dtype=np.float64)
