"""What `evaluate` logged with a version: the rows of its tables, typed and limited, since MLflow's server may lie."""

from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from pipelines.settings import Settings
from pipelines.tracking.artifacts import read_json, read_text
from pipelines.tracking.registry import MODEL_CARD_FILE

if TYPE_CHECKING:
    from mlflow import MlflowClient

MAX_ROWS = 10_000
"""Maximum rows of a table, and maximum number of metrics."""


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


Text: TypeAlias = Annotated[str, StringConstraints(max_length=300)]
Number: TypeAlias = Annotated[float | None, AfterValidator(_finite)]
"""Number; NaN, which stands for an undefined measure, becomes None."""


class Row(BaseModel):
    """Row of a logged table; columns that no page shows are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Decile(Row):
    """Tenth of the users by expected spend; means in money, `inside`: share inside their interval."""

    decile: int
    users: int
    mean_expected: float = Field(allow_inf_nan=False)
    mean_spend: float = Field(allow_inf_nan=False)
    inside: Number = None


class Importance(Row):
    """Mean effect of a feature, in points of the score, and its direction."""

    feature: Text
    effect: float = Field(allow_inf_nan=False)
    direction: Number = None


class Difference(Row):
    """Measure of a group against everyone else."""

    group: Text
    measure: Text
    value: Number = None
    difference: Number = None
    standard_error: Number = None
    flagged: bool


class Slice(Row):
    """Measures of a slice of the users."""

    users: int
    ngini: Number = None
    bias: Number = None
    high_share: Number = None


DECILES = TypeAdapter(Annotated[list[Decile], Field(max_length=10)])
IMPORTANCES = TypeAdapter(Annotated[list[Importance], Field(max_length=MAX_ROWS)])
FAIRNESS = TypeAdapter(Annotated[list[Difference], Field(max_length=MAX_ROWS)])
SLICES = TypeAdapter(Annotated[dict[Text, Slice], Field(max_length=MAX_ROWS)])


@dataclass(frozen=True)
class Findings:
    """What the run of a version holds; what was not logged is empty.

    Attributes:
        experiment_id: experiment of the run.
        metrics: finite metrics by name.
        deciles, importances, fairness, slices: tables of `evaluate`.
        card: model card, as Markdown.
    """

    experiment_id: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    deciles: list[Decile] = field(default_factory=list)
    importances: list[Importance] = field(default_factory=list)
    fairness: list[Difference] = field(default_factory=list)
    slices: dict[str, Slice] = field(default_factory=dict)
    card: str = ""


def read_findings(settings: Settings, client: "MlflowClient", run_id: str) -> Findings:
    """Read what a run holds.

    Raises:
        PurseError: the run or one of its artifacts can't be read; the message names a damaged one.
    """
    if not run_id:
        return Findings()
    run = client.get_run(run_id)
    return Findings(
        experiment_id=str(run.info.experiment_id)[:100],
        metrics={name: value for name, value in list(run.data.metrics.items())[:MAX_ROWS] if isfinite(value)},
        deciles=read_json(settings, client, run_id, "deciles.json", DECILES) or [],
        importances=read_json(settings, client, run_id, "importances.json", IMPORTANCES) or [],
        fairness=read_json(settings, client, run_id, "fairness.json", FAIRNESS) or [],
        slices=read_json(settings, client, run_id, "slices.json", SLICES) or {},
        card=read_text(settings, client, run_id, MODEL_CARD_FILE) or "",
    )
