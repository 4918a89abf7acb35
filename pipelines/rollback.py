"""Make the previous champion the champion again, in the registry and in the live service."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipelines.errors import NothingToDo, PurseError
from pipelines.live.client import ask
from pipelines.settings import Settings
from pipelines.tracking import seals
from pipelines.tracking.champion import find_champion, moved_from, set_champion, way_out
from pipelines.tracking.champion_state import Champion
from pipelines.tracking.registry import PREVIOUS, ROLLED_BACK_TO
from pipelines.tracking.runs import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient


def rollback(settings: Settings, now: datetime) -> dict[str, Any]:
    """Move the alias `champion` back to the version that the champion replaced; repeat to go further back.

    A live service returns at once to its previous release if that has the restored version. If it can't, `service`
    in the result says so and the rollback still succeeds: run score_daily to score and deploy the version.

    Returns:
        model_name, from_version, to_version, and `service`: the outcome in the live service.

    Raises:
        PurseError: no champion exists, it is the first one, or its predecessor was deleted or not registered here.
    """
    from mlflow.exceptions import MlflowException

    name, client = settings.mlflow.model_name, connect(settings)
    champion = find_champion(settings, client)
    if champion is None:
        raise PurseError(f"'{name}' has no champion to roll back. Train and promote one with 'purse promote'.")
    current, previous = champion.version, _previous(settings, client, champion)
    if previous is None:
        raise PurseError(
            f"Version {current} of '{name}' is the first champion: no earlier champion to return to. "
            f"{way_out(settings, client, champion)}"
        )
    try:
        seals.require_sealed_version(settings, client.get_model_version(name, previous))
    except MlflowException as error:
        raise PurseError(
            f"Version {previous} of '{name}', the champion before {current}, is gone from the registry. "
            f"Version {current} stays champion. {way_out(settings, client, champion)}"
        ) from error
    set_champion(settings, client, previous)
    if champion.intact:
        client.set_model_version_tag(name, current, ROLLED_BACK_TO, previous)
    return {
        "model_name": name,
        "from_version": current,
        "to_version": previous,
        "service": _rollback_service(settings, str(previous), now),
    }


def _previous(settings: Settings, client: "MlflowClient", champion: Champion) -> str | None:
    """Champion before this one: the recorded one if the alias was moved by hand, else the one that it replaced."""
    if (moved := moved_from(settings, champion.version)) is not None:
        return moved
    if champion.state in ("version_deleted", "model_deleted"):
        return None
    return client.get_model_version(settings.mlflow.model_name, champion.version).tags.get(PREVIOUS)


def _rollback_service(settings: Settings, version: str, now: datetime) -> str:
    """Roll the live service back; return the outcome in words."""
    try:
        answer = ask(settings, "rollback", {"model_version": version}, now)
    except NothingToDo:
        return "no live service runs"
    except PurseError as error:
        return str(error)
    return f"answers from release {answer['release']}"
