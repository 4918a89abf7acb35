"""The engine: scores of single users from a release and what happened since, by the definitions of the batch."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from serving.canary import Canary
from serving.release import Release

if TYPE_CHECKING:
    import pandas as pd


class Engine:
    """Scores users of one release; not for two threads at once."""

    release: Release

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read a release, in seconds; MLflow and the lake are not needed."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the release's files."""
        raise NotImplementedError

    def score(self, rows: Mapping[str, pa.Table], snapshot_date: date, user_ids: Sequence[str]) -> "pd.DataFrame":
        """What the model says of users, given what happened since the release's snapshot.

        Args:
            rows: live rows of these users: any of "order_lines", "events" and "users", columns as in `features.schema`;
                optional columns may be absent. Rows of days before the release's snapshot are in its history, so they
                must not be given; rows of `snapshot_date` and later are not looked at.
            snapshot_date: exclusive end of what is looked at: tomorrow, for what happened today to count.
            user_ids: whom; a user needs no history and no rows.

        Returns:
            user_id, expected_spend, spend_low, spend_high, purchase_probability, score, tier, reasons, basis; ordered
            by user_id. Users of whom nothing is known are absent.

        Raises:
            ValueError: the snapshot date is before the release's.
        """
        raise NotImplementedError

    def close_days(self, order_lines: pa.Table) -> None:
        """Tell the engine what the whole shop sold on live days that are over; it replaces what it was told before.

        The price level of a purchase is its place among the prices of the 28 days before it. Until the next release,
        those of live days are only known if told here: call it when a day is over and after opening, with the order
        lines of all users from the release's snapshot up to yesterday. Without it such days count as without sales.
        """
        raise NotImplementedError

    def canary(self) -> Canary:
        """Score the users whom evaluation scored, as it did."""
        raise NotImplementedError
