"""Registered model: aliases (`challenger`: newest candidate; `champion`: active model) and model cards."""

from typing import TYPE_CHECKING

from models.promotion import PROMOTED
from pipelines.errors import PurseError
from pipelines.settings import Settings
from pipelines.tracking.artifacts import read_text
from pipelines.tracking.runs import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient

LONGEST_REASON = 1_000
"""Maximum characters of a reason for a refusal that other messages repeat."""

CHALLENGER = "challenger"
CHAMPION = "champion"
PREVIOUS = "purse.previous_champion"
"""Tag of a champion: the version that it replaced."""

BASELINE = "purse.baseline"
"""Tag of a version that is a baseline: its name."""

MODEL_CARD_FILE = "model_card.md"
"""Artifact of a retraining's run: the model card."""

ROLLED_BACK_TO = "purse.rolled_back_to"
"""Tag of a version that was rolled back: the version that replaced it."""


def version_of(client: "MlflowClient", model_name: str, alias: str) -> str | None:
    """Version with the alias; None if the model or the alias does not exist."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_model_version_by_alias(model_name, alias).version)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST" or f"alias {alias} not found" in str(error):
            return None
        raise


def baseline_of(client: "MlflowClient", model_name: str, version: str) -> str | None:
    """Name of the baseline that a version is; None for a model, or if the version does not exist."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version(model_name, version).tags.get(BASELINE)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def last_refusal(client: "MlflowClient", model_name: str) -> str | None:
    """Sentence on the newest version that was refused, with the reason; None if none was.

    The reason is a text of MLflow, whose users can change it: only printable characters, and not long.
    """
    versions = client.search_model_versions(f"name = '{model_name}'")
    refused = [one for one in versions if one.tags.get("outcome", "") not in ("", *PROMOTED, "already_champion")]
    if not refused:
        return None
    newest = max(refused, key=lambda one: int(one.version))
    why = "".join(filter(str.isprintable, newest.description or newest.tags["outcome"]))[:LONGEST_REASON]
    return f"The last challenger, version {newest.version}, was refused: {why}"


def read_card(settings: Settings, version: str | None, alias: str) -> str:
    """Read the model card of a registered version.

    Args:
        settings: the settings.
        version: version number; None: the version with `alias`.
        alias: alias such as "champion".

    Raises:
        PurseError: the version does not exist, or its card was not written or can't be read.
    """
    name, client = settings.mlflow.model_name, connect(settings)
    from mlflow.exceptions import MlflowException

    version = version or version_of(client, name, alias)
    if version is None:
        raise PurseError(
            f"'{name}' has no version with the alias '{alias}'. Name one with --version, or run 'purse register'."
        )
    try:
        run_id = client.get_model_version(name, version).run_id
    except MlflowException as error:
        raise PurseError(f"'{name}' has no version {version}. Choose one that the MLflow UI lists.") from error
    card = read_text(settings, client, run_id or "", MODEL_CARD_FILE)
    if card is None:
        raise PurseError(
            f"Version {version} of '{name}' has no model card. Run 'purse evaluate' with the --snapshot-date of its "
            "training."
        )
    return card
