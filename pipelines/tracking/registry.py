"""Registered model: aliases (`challenger`: newest candidate; `champion`: active model) and model cards."""

from typing import TYPE_CHECKING

from pipelines.errors import PurseError
from pipelines.settings import Settings
from pipelines.tracking.artifacts import read_text
from pipelines.tracking.runs import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHALLENGER = "challenger"
CHAMPION = "champion"
PREVIOUS = "purse.previous_champion"
"""Tag of a champion: the version that it replaced."""

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
