"""Plan the snapshots of a retraining: pure arithmetic on days."""

from dataclasses import dataclass
from datetime import date, timedelta

from pipelines.errors import PurseError
from pipelines.results.training import Fold
from pipelines.sections import Snapshots

WINDOWS_NEEDED = 3
"""Label lengths that must fit before the test window: training label, validation label, and as much history."""

MISSING_SHARE = 0.1
"""Maximum share of a matured window that may lie after the last day of data: a shop may close for some days."""


def is_matured(last_day: date, start: date, horizon_days: int) -> bool:
    """Whether data up to and including `last_day` covers the window `[start, start + horizon_days)`."""
    missing = horizon_days - 1 - (last_day - start).days
    return missing <= MISSING_SHARE * horizon_days


@dataclass(frozen=True)
class SnapshotPlan:
    """The snapshots of one retraining, each list newest first.

    Attributes:
        test: start of the newest matured window; no label of `final` or `folds` overlaps it.
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


def plan_snapshots(first_day: date, snapshot_date: date, horizon_days: int, config: Snapshots) -> SnapshotPlan:
    """Plan the snapshots of a retraining on the data from `first_day` to `snapshot_date`, exclusive.

    Raises:
        PurseError: the history is too short for one fold.
    """
    test = snapshot_date - timedelta(days=horizon_days)
    label_days = min(horizon_days, (test - first_day).days // WINDOWS_NEEDED)
    label = timedelta(days=label_days)
    candidates = []
    snapshot = test - label
    while label_days > 0 and (snapshot - first_day).days >= config.min_history_days:
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
        )
    return SnapshotPlan(test, label_days, tuple(candidates[: config.max_training]), tuple(folds))
