"""The versions of the registered model, read from MLflow, whose texts are limited."""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

from pipelines.errors import PurseError
from pipelines.settings import Settings
from pipelines.tracking import seals
from pipelines.tracking.registry import BASELINE, CHALLENGER, CHAMPION, ROLLED_BACK_TO

if TYPE_CHECKING:
    from mlflow import MlflowClient

LONGEST = 5_000
"""Maximum characters of a text from MLflow that a page shows."""


@dataclass(frozen=True)
class Version:
    """A registered version.

    Attributes:
        number: of the version.
        role: "champion", "challenger" or "".
        family: what it is a blend of.
        baseline: name of the baseline that it is; None for a model.
        outcome: of the decision, see `models.promotion`; "" before one.
        decision: the sentence that explains it with its numbers.
        ngini, gain: numbers of the decision; None if it has none.
        rolled_back_to: version that replaced it when it was rolled back.
        run_id: of its retraining; "" if it was registered by hand.
        sealed: whether this home registered it; no other version is loaded.
        created_at: UTC.
        updated: changes whenever the version does.
    """

    number: str
    role: str
    family: str
    baseline: str | None
    outcome: str
    decision: str
    ngini: float | None
    gain: float | None
    rolled_back_to: str | None
    run_id: str
    sealed: bool
    created_at: datetime
    updated: int


def read_versions(settings: Settings, client: "MlflowClient") -> tuple[Version, ...]:
    """All versions of the model, newest first; none if it was never registered.

    Raises:
        PurseError: MLflow can't say.
    """
    from mlflow.exceptions import MlflowException

    name = settings.mlflow.model_name
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
            (_version(settings, one, roles) for one in client.search_model_versions(f"name = '{name}'")),
            key=lambda one: -int(one.number),
        )
    )


def _version(settings: Settings, found: Any, roles: dict[str, str]) -> Version:  # noqa: ANN401 - MLflow's own class
    number = str(found.version)
    return Version(
        number=number,
        role=roles.get(number, ""),
        family=found.tags.get("family", "")[:LONGEST],
        baseline=found.tags.get(BASELINE, "")[:LONGEST] or None,
        outcome=found.tags.get("outcome", "")[:LONGEST],
        decision=(found.description or "")[:LONGEST],
        ngini=_number(found.tags.get("ngini")),
        gain=_number(found.tags.get("gain_estimate")),
        rolled_back_to=found.tags.get(ROLLED_BACK_TO, "")[:LONGEST] or None,
        run_id=found.run_id or "",
        sealed=seals.sealed_digest(settings, found) is not None,
        created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, tz=UTC),
        updated=int(found.last_updated_timestamp or 0),
    )


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "nan")
    except ValueError:
        return None
    return number if isfinite(number) else None
