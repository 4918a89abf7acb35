"""Which snapshots a retraining uses: pure arithmetic on days."""

from dataclasses import dataclass
from datetime import date, timedelta

from pipelines.errors import PurseError
from pipelines.results.training import Fold
from pipelines.sections import Snapshots

WINDOWS_NEEDED = 3
"""A training label, a validation label, and as much history before them: the label must fit so many times."""


MISSING_SHARE = 0.1
"""A window counts as matured when the data ends so much of it, or less, before its end: a shop may rest for days."""


def is_matured(last_day: date, start: date, horizon_days: int) -> bool:
    """Say whether data up to and with `last_day` tells what happened in `[start, start + horizon_days)`."""
    missing = horizon_days - 1 - (last_day - start).days
    return missing <= MISSING_SHARE * horizon_days


@dataclass(frozen=True)
class SnapshotPlan:
    """The snapshots of one retraining, each list newest first.

    Attributes:
        test: start of the newest matured window; no label of `final` or `folds` reaches into it.
        label_days: length of the training labels; shorter than the horizon where the history is short.
        final: what the finalists are refitted on.
        folds: temporal validation.
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
    """Lay out the snapshots of a retraining on the data of `first_day` up to, and without, `snapshot_date`.

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
