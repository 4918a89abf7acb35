"""Results of the steps on scores."""

from datetime import date

from pipelines.results.result import Result, Value
from pipelines.results.training import Interval


class TierSpend(Value):
    """Users of a tier and its share of all expected spend."""

    users: int
    expected_spend_share: float


class Scored(Result):
    """Scores of a snapshot.

    Attributes:
        baseline: name of the baseline that scored, because no model has been shown to be better; None: a model did.
        level: forecast for all users with orders.
        second_moment: of a buyer's spend over its mean, see `models.score.intervals`; None: scored before it was kept.
    """

    step = "score"
    command = "score"
    snapshot_date: date
    rows: int
    without_orders: int
    model_version: str
    baseline: str | None = None
    export: str
    level: Interval
    second_moment: float | None = None
    tiers: dict[str, TierSpend]
    data_docs: str
    warnings: list[str]


class Checked(Result):
    """Outcome of the checks of a scored snapshot; `violated` is named worst first, `alarm` asks for a retraining.

    `baseline` names the baseline that the champion is; None: a model.
    """

    step = "monitor"
    command = "monitor"
    snapshot_date: date
    model_version: str
    baseline: str | None = None
    checks: int
    violated: list[str]
    alarm: bool
    reason: str
    skipped: list[str]


class Monitored(Checked):
    """Outcome of the checks, with its page and its MLflow run."""

    data_docs: str
    run_id: str
    run_url: str | None
