"""Results of the steps from the split to the trained model."""

from datetime import date

from pipelines.results.result import Result, Value

Param = bool | int | float | str | None
"""Value of a hyperparameter."""


class Fold(Value):
    """Train on snapshots whose labels end by `validation`, measure on `validation`."""

    validation: date
    training: tuple[date, ...]


class Split(Result):
    """Snapshots of a retraining.

    Attributes:
        snapshot_date: exclusive end of all labels.
        training_id: id; equal for equal data, code and settings.
        label_days: length of the training labels; shorter than the horizon if the history is short.
        folds: temporal validation folds.
        final: snapshots on which the finalists are refitted, newest first.
        test: start of the newest matured window.
        rows: number of users with orders, by snapshot.
    """

    step = "split"
    command = "split"
    snapshot_date: date
    training_id: str
    horizon_days: int
    label_days: int
    folds: tuple[Fold, ...]
    final: tuple[date, ...]
    test: date
    rows: dict[date, int]
    rows_without_orders: int
    features: list[str]


class Planned(Result):
    """A planned sweep; `workers` may share it."""

    step = "plan_sweep"
    command = "sweep --plan-only"
    study: str
    trials: int
    workers: list[str]
    run_id: str
    run_url: str | None


class BestTrial(Value):
    """The best trial of a sweep so far."""

    family: str
    validation_ngini: float
    validation_bias: float
    objective: float


class Swept(Result):
    """Trials that a worker ended."""

    step = "sweep"
    command = "sweep"
    worker: str
    completed: int
    pruned: int
    failed: int
    best: BestTrial | None
    run_id: str
    run_url: str | None


class Interval(Value):
    """A forecast with its 80 % interval, in money."""

    expected: float
    low: float
    high: float


class MemberChoice(Value):
    """A member of the blend."""

    family: str
    weight: float
    params: dict[str, Param]


class ColdStartFacts(Value):
    """Facts about the model of users without orders: cohort it learned from, method and segments."""

    learned_from: str
    by: str
    segments: list[str]


class PreprocessingFacts(Value):
    """Gaps and outliers in the training window and their treatment; `furthest` has the largest shares of outliers."""

    dropped: list[str]
    filled: list[str]
    winsorised: list[str]
    with_gaps: int
    with_outliers: int
    furthest: dict[str, float]


class LoggedModel(Value):
    """Address of a logged model, and the digest of its files, see `pipelines.tracking.seals`."""

    uri: str
    digest: str


class Trained(Result):
    """A trained model, logged to MLflow.

    Attributes:
        validation_ngini, validation_error: mean nGini over the validation windows, and its standard error over users.
        user_folds: parts of the users in validation; above 1, each user was predicted by a model that never saw them.
        baseline: name of the baseline that the model is; None for a model.
        stand_in: the baseline, trained beside the model where no model is champion yet.
    """

    step = "train"
    command = "train"
    training_id: str
    model: LoggedModel
    family: str
    params: dict[str, Param]
    members: list[MemberChoice]
    validation_ngini: float
    validation_error: float
    user_folds: int = 1
    level: Interval
    windows: float
    cold_start: ColdStartFacts | None
    preprocessing: PreprocessingFacts
    run_id: str
    run_url: str | None
    baseline: str | None = None
    stand_in: "Trained | None" = None
