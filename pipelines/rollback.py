"""Make the previous champion the champion again."""

from typing import Any

from pipelines import tracking
from pipelines.errors import PurseError
from pipelines.registry import CHAMPION, PREVIOUS, ROLLED_BACK_TO, version_of
from pipelines.settings import Settings


def rollback(settings: Settings) -> dict[str, Any]:
    """Move the alias `champion` back to the version that the champion replaced; again, one further back.

    Raises:
        PurseError: there is no champion, it replaced none, or its predecessor was deleted.
    """
    from mlflow.exceptions import MlflowException

    name, client = settings.mlflow.model_name, tracking.connect(settings)
    current = version_of(client, name, CHAMPION)
    if current is None:
        raise PurseError(f"'{name}' has no champion to roll back. Train and promote one with 'purse promote'.")
    previous = client.get_model_version(name, current).tags.get(PREVIOUS)
    if previous is None:
        raise PurseError(
            f"Version {current} of '{name}' is the first champion: there is none before it. "
            f"To use another version, set the alias '{CHAMPION}' on it in the MLflow UI."
        )
    try:
        client.set_registered_model_alias(name, CHAMPION, previous)
    except MlflowException as error:
        raise PurseError(
            f"Version {previous} of '{name}', the champion before {current}, is gone from the registry: {error}. "
            f"Version {current} stays champion; set the alias '{CHAMPION}' on another version in the MLflow UI."
        ) from error
    client.set_model_version_tag(name, current, ROLLED_BACK_TO, previous)
    return {"model_name": name, "from_version": current, "to_version": previous}
