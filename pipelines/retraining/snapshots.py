"""Plan the snapshots of a retraining: pure arithmetic on days."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

from pipelines.errors import PurseError
from pipelines.results.training import Fold
from pipelines.sections import Snapshots

WINDOWS_NEEDED = 3
"""Label lengths that must fit before the test window: training label, validation label, and as much history."""

MISSING_SHARE = 0.1
"""Maximum share of a window whose days may be missing, or lie after the last day of data: a shop may close for days."""

NEWEST_HISTORY = 7
"""Newest days of a snapshot's history, the shortest window of features, without a missing day."""


def is_matured(last_day: date, start: date, horizon_days: int) -> bool:
    """Whether data up to and including `last_day` covers the window `[start, start + horizon_days)`."""
    missing = horizon_days - 1 - (last_day - start).days
    return missing <= MISSING_SHARE * horizon_days


def is_covered(missing: Collection[date], start: date, days: int) -> bool:
    """Whether the data of the window `[start, start + days)` has enough of its days to be measured."""
    end = start + timedelta(days=days)
    return sum(start <= day < end for day in missing) <= MISSING_SHARE * days


@dataclass(frozen=True)
class SnapshotPlan:
    """The snapshots of one retraining, each list newest first.

    Attributes:
        test: start of the newest matured window without missing days; no label of `final` or `folds` overlaps it.
        label_days: length of the training labels; shorter than the horizon if the history is short.
        final: snapshots on which the finalists are refitted.
        folds: temporal validation folds.
    """

    test: date
    label_days: int
    final: tuple[date, ...]
    folds: tuple[Fold, ...]

    @property
    def all(self) -> tuple[date, ...]:
        """Every snapshot that needs features, oldest first."""
        used = {self.test, *self.final, *(s for fold in self.folds for s in (fold.validation, *fold.training))}
        return tuple(sorted(used))


def plan_snapshots(
    first_day: date, snapshot_date: date, horizon_days: int, config: Snapshots, missing: Collection[date] = ()
) -> SnapshotPlan:
    """Plan the snapshots of a retraining on the data from `first_day` to `snapshot_date`, exclusive.

    A missing day looks like a day without orders, so snapshots with missing days in their newest history or in more
    than `MISSING_SHARE` of their label are not used.

    Raises:
        PurseError: the history is too short for one fold.
    """

    def usable(snapshot: date, days: int) -> bool:
        newest = snapshot - timedelta(days=NEWEST_HISTORY)
        return is_covered(missing, snapshot, days) and is_covered(missing, newest, NEWEST_HISTORY)

    test = snapshot_date - timedelta(days=horizon_days)
    while test > first_day and not usable(test, horizon_days):
        test -= timedelta(days=1)
    label_days = min(horizon_days, (test - first_day).days // WINDOWS_NEEDED)
    label = timedelta(days=label_days)
    candidates = []
    snapshot = test - label
    while label_days > 0 and (snapshot - first_day).days >= config.min_history_days:
        if usable(snapshot, label_days):
            candidates.append(snapshot)
        snapshot -= timedelta(days=config.step_days)
    folds = []
    for validation in candidates[: config.validation]:
        training = [s for s in candidates if s + label <= validation][: config.max_training]
        if training:
            folds.append(Fold(validation=validation, training=tuple(training)))
    if not folds:
        raise PurseError(
            f"The history from {first_day} to {snapshot_date} is too short for a test window of {horizon_days} days "
            f"({test} on), a validation and a training window before it and {config.min_history_days} days of history. "
            "Load more history, choose a later snapshot date, or lower horizon_days or snapshots.min_history_days."
            + (
                f" {len(missing):,} days are missing since {min(missing)}, and windows with missing days are not used: "
                "load them with 'purse ingest', or list them in ingest.closed_days if the shop was closed."
                if missing
                else ""
            )
        )
    return SnapshotPlan(test, label_days, tuple(candidates[: config.max_training]), tuple(folds))
