"""The engine: score single users from a release and live rows, with the batch's feature definitions."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

import pandas as pd
import pyarrow as pa

from models.canary import CANARY_FILE
from models.catalog import is_network
from pipelines.errors import PurseError
from serving.engine.features import LiveFeatures
from serving.release.canary import Canary, compare
from serving.release.release import HISTORY, SCORES, Release, read_model

if TYPE_CHECKING:
    from models.purchasing_power import PurchasingPower

COLUMNS = (
    "user_id",
    "expected_spend",
    "spend_low",
    "spend_high",
    "purchase_probability",
    "score",
    "tier",
    "reasons",
    "basis",
)
SIZES = (1, 8, 64, 256)
"""Batch sizes for a model with networks: a network is compiled once per batch size."""

TIMED = 8
"""Users that the canary scores one by one to measure latency."""


class Engine:
    """Scores users from one release; not thread-safe."""

    def __init__(self, folder: Path, release: Release, model: "PurchasingPower", registered: dict[str, Any]) -> None:
        self.release = release
        self._folder, self._model, self._registered = folder, model, registered
        self._networks = any(is_network(member.family) for member in model.members)
        self._features = LiveFeatures(folder / HISTORY, release.columns, model.feature_names, release.snapshot_date)

    @classmethod
    def open(cls, folder: Path, home: Path) -> Self:
        """Load a release that `home` sealed, which takes seconds and needs neither MLflow nor the lake.

        Raises:
            PurseError: this version of Purse cannot read the release, or `home` did not write it.
        """
        try:
            release = Release.read(folder)
            os.environ.setdefault("KERAS_BACKEND", release.backend)
            model, registered = read_model(home, folder)
            engine = cls(folder, release, replace(model), registered)
            engine._warm_up()
        except Exception as error:  # reading raises any exception after a change of code or packages
            raise PurseError(
                f"The release {folder} cannot be read: {type(error).__name__}: {error}. Deploy again, which "
                "rewrites it, or return to the previous release with 'purse rollback'."
            ) from error
        return engine

    def close(self) -> None:
        """Close the release's files."""
        self._features.close()

    def score(self, rows: Mapping[str, pa.Table], snapshot_date: date, user_ids: Sequence[str]) -> pd.DataFrame:
        """Score users from their history and their live rows.

        Args:
            rows: live rows of these users: any of "order_lines", "events" and "users", columns as in `features.schema`;
                optional columns may be absent. Rows of days before the release's snapshot raise an error for a user
                with history, which counts them already. Rows of `snapshot_date` and later are ignored.
            snapshot_date: exclusive end of the rows to count: tomorrow, to count today's.
            user_ids: users to score; they need neither history nor rows.

        Returns:
            user_id, expected_spend, spend_low, spend_high, purchase_probability, score, tier, reasons, basis; ordered
            by user_id. Users without any data are absent.

        Raises:
            ValueError: the snapshot date is before the release's, or the history already counts a row's day.
        """
        buyers, others = self._features.compute(rows, snapshot_date, user_ids)
        predictions = [self._predict(buyers.to_pandas())]
        if others is not None and others.num_rows and self._model.cold_start is not None:
            attributes = others.to_pandas()
            cold = self._model.predict_without_orders(attributes)
            predictions.append(cold.assign(user_id=attributes["user_id"])[list(COLUMNS)])
        return pd.concat(predictions).sort_values("user_id", ignore_index=True)

    def close_days(self, order_lines: pa.Table) -> None:
        """Set the whole shop's order lines of the live days that are over; replaces the lines of an earlier call.

        The price level of a purchase is its percentile rank among the category's prices of the 28 days before it. The
        history ends at the release's snapshot, so call this at the end of each day and after `open`, with the order
        lines of all users from the snapshot up to yesterday. Without it, these days count as days without sales.
        """
        self._features.close_days(order_lines)

    def canary(self) -> Canary:
        """Compare predictions with those of evaluation and of the batch, and measure latency."""
        evaluated = pd.read_parquet(self._folder / CANARY_FILE) if (self._folder / CANARY_FILE).exists() else None
        difference = 0.0
        if evaluated is not None:
            registered = replace(self._model, **self._registered)
            predictions = pd.concat(list(self._parts(evaluated, registered.predict_spend)), ignore_index=True)
            difference = compare(predictions, evaluated, prefix="predicted_")
        batch = pd.read_parquet(self._folder / SCORES)
        batch = batch.iloc[:: max(len(batch) // TIMED, 1)].iloc[:TIMED].reset_index(drop=True)
        self.score({}, self.release.snapshot_date, [])  # compiles the queries of this date before the timing
        started = perf_counter()
        live = [self.score({}, self.release.snapshot_date, [user_id]) for user_id in batch["user_id"]]
        seconds = perf_counter() - started
        return Canary(
            users=0 if evaluated is None else len(evaluated),
            difference=difference,
            batch_difference=compare(pd.concat(live, ignore_index=True), batch) if len(batch) else 0.0,
            milliseconds=1000 * seconds / max(len(batch), 1),
        )

    def _predict(self, features: pd.DataFrame) -> pd.DataFrame:
        if features.empty:
            return pd.DataFrame(columns=list(COLUMNS))
        predictions = pd.concat(list(self._parts(features, self._model.predict)))
        return predictions.assign(user_id=features["user_id"])[list(COLUMNS)]

    def _parts(self, features: pd.DataFrame, predict: Callable[[pd.DataFrame], pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """Yield predictions in batches; for networks, pad a batch to one of `SIZES` by repeating its last user."""
        for start in range(0, len(features), SIZES[-1]):
            part = features.iloc[start : start + SIZES[-1]]
            size = next(size for size in SIZES if size >= len(part))
            padded = part.iloc[[*range(len(part)), *[-1] * (size - len(part))]] if self._networks else part
            yield predict(padded[list(self._model.feature_names)]).iloc[: len(part)]

    def _warm_up(self) -> None:
        """Compile the first live day's queries and the networks ahead of the first request."""
        tomorrow = self.release.snapshot_date + timedelta(days=1)
        users = pd.read_parquet(self._folder / SCORES, columns=["user_id"])["user_id"].iloc[: SIZES[-1]]
        for size in SIZES if self._networks else SIZES[:1]:
            self.score({}, tomorrow, list(users.iloc[:size]))
