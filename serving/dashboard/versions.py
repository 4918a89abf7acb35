"""The versions of the registered model and what `evaluate` left with each, read from MLflow."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipelines.errors import PurseError
from pipelines.tracking.registry import CHALLENGER, CHAMPION, MODEL_CARD, ROLLED_BACK_TO
from serving.dashboard.values import Row

if TYPE_CHECKING:
    from mlflow import MlflowClient

TABLES = ("deciles", "importances", "permutation", "fairness")
"""Artifacts that `evaluate` leaves beside slices.json; see `pipelines.findings.Findings`."""


@dataclass(frozen=True)
class Version:
    """A registered version.

    Attributes:
        number: of the version.
        role: "champion", "challenger" or "".
        family: what it is a blend of.
        outcome: of the decision, see `models.promotion`; "" before one.
        decision: the sentence that explains it with its numbers.
        tags: all tags, the decision's numbers among them.
        run_id: of its retraining; "" if it was registered by hand.
        created_at: UTC.
        updated: changes whenever the version does.
    """

    number: str
    role: str
    family: str
    outcome: str
    decision: str
    tags: dict[str, str]
    run_id: str
    created_at: datetime
    updated: int

    @property
    def rolled_back_to(self) -> str | None:
        """The version that took its place when it was taken out of force."""
        return self.tags.get(ROLLED_BACK_TO)


@dataclass(frozen=True)
class Findings:
    """What the run of a version holds; what was not logged is empty."""

    experiment_id: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    tables: dict[str, list[Row]] = field(default_factory=dict)
    slices: dict[str, Row] = field(default_factory=dict)
    card: str = ""


def read_versions(client: "MlflowClient", name: str) -> tuple[Version, ...]:
    """All versions of a model, newest first; none if it was never registered.

    Raises:
        PurseError: MLflow can't say.
    """
    from mlflow.exceptions import MlflowException

    try:
        aliases = client.get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return ()
        raise PurseError(f"MLflow can't say which versions '{name}' has: {str(error).splitlines()[0]}") from error
    roles = {str(number): alias for alias, number in aliases.items() if alias == CHALLENGER}
    roles |= {str(number): alias for alias, number in aliases.items() if alias == CHAMPION}
    return tuple(
        sorted(
            (_version(one, roles) for one in client.search_model_versions(f"name = '{name}'")),
            key=lambda one: -int(one.number),
        )
    )


def _version(found: Any, roles: dict[str, str]) -> Version:  # noqa: ANN401 - MLflow's own class
    number = str(found.version)
    return Version(
        number=number,
        role=roles.get(number, ""),
        family=found.tags.get("family", ""),
        outcome=found.tags.get("outcome", ""),
        decision=found.description or "",
        tags=dict(found.tags),
        run_id=found.run_id or "",
        created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, tz=UTC),
        updated=int(found.last_updated_timestamp or 0),
    )


def read_findings(client: "MlflowClient", version: Version) -> Findings:
    """What the run of a version holds.

    Raises:
        PurseError: the run or one of its artifacts can't be read.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    if not version.run_id:
        return Findings()
    try:
        run = client.get_run(version.run_id)
        logged = {file.path for file in client.list_artifacts(version.run_id)}

        def load(name: str) -> Any:  # noqa: ANN401 - JSON
            text = mlflow.artifacts.load_text(f"runs:/{version.run_id}/{name}.json") if f"{name}.json" in logged else ""
            return json.loads(text) if text else None

        card = version.tags.get(MODEL_CARD)
        return Findings(
            experiment_id=run.info.experiment_id,
            metrics=dict(run.data.metrics),
            tables={name: load(name) or [] for name in TABLES},
            slices=load("slices") or {},
            card=str(mlflow.artifacts.load_text(card)) if card else "",
        )
    except (MlflowException, OSError) as error:
        raise PurseError(
            f"What was found out about version {version.number} can't be read: {str(error).splitlines()[0]} "
            "Check the artifact store, or run 'purse evaluate' with the --snapshot-date of its training."
        ) from error
