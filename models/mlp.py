"""A neural network with a head for whether a user buys and a head for how much (Keras 3, any backend)."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from typing_extensions import override

from models.encoding import DenseEncoder
from models.protocol import LabelledUsers, SpendModel
from models.targets import as_predictions, winsorised_spend

if TYPE_CHECKING:
    import keras

HELD_OUT = 0.1
"""Share of the training rows that decides when to stop if there is no validation set."""

CHUNK = 65_536
"""Users predicted at a time."""


@dataclass
class Network(SpendModel):
    """Dense layers, then the logit of a purchase and the logarithm of a buyer's mean spend.

    The loss is the cross-entropy of the purchase plus, for buyers, the gamma deviance of the amount, whose minimum is
    the mean and not the median. The amount is `winsorised_spend` in units of its mean. Training stops when the
    validation loss has not improved for `patience` epochs and keeps the best weights. A network pickles as its weights;
    the backend is Keras's own choice (KERAS_BACKEND), and weights trained on one backend predict on any other.
    """

    seed: int
    units: int = 64
    layers: int = 2
    dropout: float = 0.1
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    batch: int = 1_024
    epochs: int = 15
    patience: int = 2
    encoder: DenseEncoder = field(default_factory=DenseEncoder, init=False)
    scale: float = field(default=1.0, init=False)
    largest: float = field(default=0.0, init=False)
    weights: list[NDArray[np.float32]] = field(default_factory=list, init=False)

    @override
    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        import keras

        keras.utils.set_random_seed(self.seed)
        spend = winsorised_spend(training)
        self.scale, self.largest = float(spend.mean()) or 1.0, float(spend.max())
        inputs = self.encoder.fit(training.features).transform(training.features).astype(np.float32)
        targets = self._targets(training, self.largest)
        if validation is not None and len(validation):
            check = self.encoder.transform(validation.features).astype(np.float32)
            held_out = check, self._targets(validation, self.largest)
        else:
            aside = np.random.default_rng(self.seed).random(len(inputs)) < HELD_OUT
            aside[0] = False  # something must be left to learn from, even of one user
            held_out = inputs[aside], targets[aside]
            inputs, targets = inputs[~aside], targets[~aside]
        self._train(inputs, targets, held_out if len(held_out[0]) else (inputs, targets))
        return self

    @override
    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        inputs = self.encoder.transform(features).astype(np.float32)
        network = self._network(inputs.shape[1])
        network.set_weights(self.weights)
        outputs = np.vstack([_outputs(network, inputs[i : i + CHUNK]) for i in range(0, max(len(inputs), 1), CHUNK)])
        probability = 1 / (1 + np.exp(-np.clip(outputs[:, 0], -50, 50)))
        # nobody is expected to spend more than anyone in training did
        amount = np.minimum(np.exp(np.clip(outputs[:, 1], -50, 50)) * self.scale, self.largest)
        return as_predictions(features, probability * amount, probability)

    def _targets(self, users: LabelledUsers, largest: float) -> NDArray[np.float32]:
        """Shape (users, 2): bought, and the amount in units of the training mean."""
        spend = users.future_spend.to_numpy(dtype=np.float64).clip(0, largest)
        return np.column_stack([users.purchased, spend / self.scale]).astype(np.float32)

    def _network(self, columns: int) -> "keras.Model":
        import keras

        layers = [keras.Input((columns,))]
        for _ in range(self.layers):
            layers += [keras.layers.Dense(self.units, activation="relu"), keras.layers.Dropout(self.dropout)]
        return keras.Sequential([*layers, keras.layers.Dense(2)])

    def _train(self, inputs: NDArray[Any], targets: NDArray[Any], held_out: tuple[NDArray[Any], NDArray[Any]]) -> None:
        import keras

        network = self._network(inputs.shape[1])
        network.compile(keras.optimizers.AdamW(self.learning_rate, weight_decay=self.weight_decay), two_part_loss)
        stop = keras.callbacks.EarlyStopping(patience=self.patience, restore_best_weights=True)
        network.fit(
            inputs,
            targets,
            validation_data=held_out,
            validation_batch_size=8_192,
            batch_size=self.batch,
            epochs=self.epochs,
            callbacks=[stop],
            verbose=0,
        )
        self.weights = network.get_weights()


def _outputs(network: "keras.Model", inputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """A direct call: `network.predict` would compile anew for every freshly loaded network."""
    from keras import ops

    return np.asarray(ops.convert_to_numpy(network(inputs, training=False)), dtype=np.float64)


def two_part_loss(targets: "keras.KerasTensor", outputs: "keras.KerasTensor") -> "keras.KerasTensor":
    """Cross-entropy of the purchase plus the gamma deviance of the amount, up to a constant, where there is one.

    Args:
        targets: shape (users, 2): bought (0 or 1), amount.
        outputs: shape (users, 2): logit of buying, logarithm of a buyer's mean amount.
    """
    from keras import ops

    bought, amount = targets[:, 0], targets[:, 1]
    logit, log_mean = outputs[:, 0], ops.clip(outputs[:, 1], -10.0, 10.0)
    return ops.softplus(logit) - bought * logit + bought * (log_mean + amount * ops.exp(-log_mean))
