"""The engine: scores of single users from a release and what happened since, by the definitions of the batch."""

import os
import pickle
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
from serving.release.release import HISTORY, MODEL, REGISTERED, SCORES, Release

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
"""A model with networks is asked about so many users at a time: a network is compiled anew for each other number."""

TIMED = 8
"""Users of the canary that are scored one by one, for the time it takes."""


class Engine:
    """Scores users of one release; not for two threads at once."""

    def __init__(self, folder: Path, release: Release, model: "PurchasingPower", registered: dict[str, Any]) -> None:
        self.release = release
        self._folder, self._model, self._registered = folder, model, registered
        self._networks = any(is_network(member.family) for member in model.members)
        self._features = LiveFeatures(folder / HISTORY, release.columns, model.feature_names, release.snapshot_date)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read a release, in seconds; MLflow and the lake are not needed.

        Its pickles are as trustworthy as whoever may write to the folder.

        Raises:
            PurseError: it cannot be read by this version of Purse.
        """
        try:
            release = Release.read(folder)
            os.environ.setdefault("KERAS_BACKEND", release.backend)
            model, registered = (pickle.loads((folder / name).read_bytes()) for name in (MODEL, REGISTERED))  # noqa: S301
            engine = cls(folder, release, replace(model), registered)
            engine._warm_up()
        except Exception as error:  # unpickling runs into whatever changed since the release was written
            raise PurseError(
                f"The release {folder} cannot be read: {type(error).__name__}: {error}. Deploy again, which writes it "
                "anew, or go back to the release before it with 'purse rollback'."
            ) from error
        return engine

    def close(self) -> None:
        """Let go of the release's files."""
        self._features.close()

    def score(self, rows: Mapping[str, pa.Table], snapshot_date: date, user_ids: Sequence[str]) -> pd.DataFrame:
        """What the model says of users, given what happened since the release's snapshot.

        Args:
            rows: live rows of these users: any of "order_lines", "events" and "users", columns as in `features.schema`;
                optional columns may be absent. Rows of days before the release's snapshot are refused where the user
                has a history, which they are in. Rows of `snapshot_date` and later are not looked at.
            snapshot_date: exclusive end of what is looked at: tomorrow, for what happened today to count.
            user_ids: whom; a user needs no history and no rows.

        Returns:
            user_id, expected_spend, spend_low, spend_high, purchase_probability, score, tier, reasons, basis; ordered
            by user_id. Users of whom nothing is known are absent.

        Raises:
            ValueError: the snapshot date is before the release's, or rows are of days that the history has.
        """
        buyers, others = self._features.of(rows, snapshot_date, user_ids)
        said = [self._said(buyers.to_pandas())]
        if others is not None and others.num_rows and self._model.cold_start is not None:
            attributes = others.to_pandas()
            cold = self._model.predict_without_orders(attributes)
            said.append(cold.assign(user_id=attributes["user_id"])[list(COLUMNS)])
        return pd.concat(said).sort_values("user_id", ignore_index=True)

    def close_days(self, order_lines: pa.Table) -> None:
        """Tell the engine what the whole shop sold on live days that are over; it replaces what it was told before.

        The price level of a purchase is its place among the prices of the 28 days before it. Until the next release,
        those of live days are only known if told here: call it when a day is over and after opening, with the order
        lines of all users from the release's snapshot up to yesterday. Without it such days count as without sales.
        """
        self._features.close_days(order_lines)

    def canary(self) -> Canary:
        """Ask what evaluation asked and compare, score some users of the snapshot as the batch did, and time it."""
        asked = pd.read_parquet(self._folder / CANARY_FILE) if (self._folder / CANARY_FILE).exists() else None
        difference = 0.0
        if asked is not None:
            registered = replace(self._model, **self._registered)
            found = pd.concat(list(self._parts(asked, registered.predict_spend)), ignore_index=True)
            difference = compare(found, asked, prefix="predicted_")
        batch = pd.read_parquet(self._folder / SCORES)
        batch = batch.iloc[:: max(len(batch) // TIMED, 1)].iloc[:TIMED].reset_index(drop=True)
        self.score({}, self.release.snapshot_date, [])  # writes the queries of this date, once
        started = perf_counter()
        live = [self.score({}, self.release.snapshot_date, [user_id]) for user_id in batch["user_id"]]
        seconds = perf_counter() - started
        return Canary(
            users=0 if asked is None else len(asked),
            difference=difference,
            batch_difference=compare(pd.concat(live, ignore_index=True), batch) if len(batch) else 0.0,
            milliseconds=1000 * seconds / max(len(batch), 1),
        )

    def _said(self, features: pd.DataFrame) -> pd.DataFrame:
        if features.empty:
            return pd.DataFrame(columns=list(COLUMNS))
        said = pd.concat(list(self._parts(features, self._model.predict)))
        return said.assign(user_id=features["user_id"])[list(COLUMNS)]

    def _parts(self, features: pd.DataFrame, predict: Callable[[pd.DataFrame], pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """Predictions a part at a time; parts for networks are filled up to one of `SIZES` with their last user."""
        for start in range(0, len(features), SIZES[-1]):
            part = features.iloc[start : start + SIZES[-1]]
            size = next(size for size in SIZES if size >= len(part))
            filled = part.iloc[[*range(len(part)), *[-1] * (size - len(part))]] if self._networks else part
            yield predict(filled[list(self._model.feature_names)]).iloc[: len(part)]

    def _warm_up(self) -> None:
        """Write the queries of the first live day and compile the networks, which a first answer would wait for."""
        tomorrow = self.release.snapshot_date + timedelta(days=1)
        users = pd.read_parquet(self._folder / SCORES, columns=["user_id"])["user_id"].iloc[: SIZES[-1]]
        for size in SIZES if self._networks else SIZES[:1]:
            self.score({}, tomorrow, list(users.iloc[:size]))
