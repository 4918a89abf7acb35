"""Registered model: aliases (`challenger`: newest candidate; `champion`: active model) and model cards."""

from typing import TYPE_CHECKING

from pipelines.errors import NothingToDo, PurseError
from pipelines.settings import Settings
from pipelines.tracking.runs import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHALLENGER = "challenger"
CHAMPION = "champion"
PREVIOUS = "purse.previous_champion"
"""Tag of a champion: the version that it replaced."""

MODEL_CARD = "purse.model_card"
"""Tag of a version: address of its model card."""

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
    import mlflow
    from mlflow.exceptions import MlflowException

    version = version or version_of(client, name, alias)
    if version is None:
        raise PurseError(
            f"'{name}' has no version with the alias '{alias}'. Name one with --version, or run 'purse register'."
        )
    try:
        address = client.get_model_version(name, version).tags.get(MODEL_CARD)
    except MlflowException as error:
        raise PurseError(f"'{name}' has no version {version}. Choose one that the MLflow UI lists.") from error
    if address is None:
        raise PurseError(
            f"Version {version} of '{name}' was registered without a model card. Run 'purse evaluate' and 'purse "
            "register' with the --snapshot-date of its training."
        )
    try:
        return str(mlflow.artifacts.load_text(address))
    except MlflowException as error:
        raise PurseError(
            f"The model card {address} of version {version} can't be read: {str(error).splitlines()[0]} "
            "Run 'purse evaluate' with the --snapshot-date of its training to write it again."
        ) from error


def champion_version(settings: Settings) -> str:
    """Version number of the champion.

    Raises:
        NothingToDo: no champion exists yet.
        PurseError: MLflow does not answer.
    """
    name = settings.mlflow.model_name
    version = version_of(connect(settings), name, CHAMPION)
    if version is None:
        raise NothingToDo(f"'{name}' has no champion yet. Run retrain_daily, or 'purse train' to 'purse promote'.")
    return version
