"""The aliases of the registered model: `challenger` is the newest candidate, `champion` the one that scores."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHALLENGER = "challenger"
CHAMPION = "champion"
PREVIOUS = "purse.previous_champion"
"""Tag of a version that became champion: the version that it replaced."""

MODEL_CARD = "purse.model_card"
"""Tag of a version: the address of its model card."""

ROLLED_BACK_TO = "purse.rolled_back_to"
"""Tag of a version that was taken out of force: the version that took its place."""


def version_of(client: "MlflowClient", model_name: str, alias: str) -> str | None:
    """The version that an alias names; None if the model or the alias isn't there."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_model_version_by_alias(model_name, alias).version)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST" or f"alias {alias} not found" in str(error):
            return None
        raise
