"""The active model: MLflow's alias `champion`, and the state that hands in MLflow may have left it in.

Anyone with MLflow's login can move the alias, or delete versions, models and runs. Purse follows the alias to versions
that this home sealed, and says so: in the audit log, on the dashboard and in the next decision. It never takes a
champion that is gone for one that never was, because the gate of a first champion is lower.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from models.promotion import PROMOTED
from pipelines.audit import record
from pipelines.errors import NothingToDo, UnusableModel
from pipelines.settings import Settings
from pipelines.tracking import seals
from pipelines.tracking.champion_record import Recorded, read_record, write_record
from pipelines.tracking.champion_state import Champion, LostChampion
from pipelines.tracking.logged_model import load_version
from pipelines.tracking.registry import BASELINE, CHALLENGER, CHAMPION, last_refusal, version_of
from pipelines.tracking.runs import connect, run_state

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from models.purchasing_power import PurchasingPower

TRAIN_ANEW = (
    "No other version that this home registered is left: trigger retrain_daily, or run 'purse build-features --for "
    "training', 'purse split', 'purse sweep', 'purse train', 'purse evaluate' and 'purse register'; then approve the "
    "new version with 'purse promote --replace-unusable'."
)


def champion_version(settings: Settings) -> str:
    """Version number of the champion.

    Raises:
        NothingToDo: no champion exists yet.
        LostChampion: a champion existed; the message names its state and the way out.
        PurseError: MLflow does not answer.
    """
    client = connect(settings)
    champion = find_champion(settings, client)
    if champion is None:
        refusal = last_refusal(client, settings.mlflow.model_name)
        raise NothingToDo(
            f"'{settings.mlflow.model_name}' has no champion yet. "
            + (f"{refusal} " if refusal else "")
            + "Run retrain_daily, or 'purse train' to 'purse promote'."
        )
    if champion.state == "not_registered_here":
        raise seals.not_registered(settings, champion.version)
    if not champion.usable:
        raise LostChampion(
            f"The champion of '{settings.mlflow.model_name}', version {champion.version}, is gone ({champion.state}): "
            f"{champion.problem}. The last scores stay. {way_out(settings, client, champion)}",
            f"it is gone ({champion.state}): {champion.problem}",
        )
    return champion.version


def find_champion(settings: Settings, client: "MlflowClient") -> Champion | None:
    """The version with the alias, or else the one that this home recorded, and its state; None before the first.

    Raises:
        PurseError: MLflow does not answer, or the record is damaged.
    """
    name, recorded = settings.mlflow.model_name, read_record(settings)
    alias = version_of(client, name, CHAMPION)
    version = alias or (recorded.version if recorded else None)
    if version is None:
        return None
    found = _get(client, name, version)
    if found is None:
        return _gone(client, name, version)
    sealed = seals.sealed_digest(settings, found)
    if sealed is None:
        return Champion(version, "not_registered_here", "no seal of this home matches its files")
    if recorded and (recorded.version != version or recorded.digest not in (None, sealed)):
        return _other_model(version, alias, recorded)
    if alias is None:
        return Champion(version, "alias_removed", f"the alias '{CHAMPION}' was removed in MLflow")
    return _with_run(client, version, found.run_id or "")


def load_champion(settings: Settings) -> "tuple[str, PurchasingPower]":
    """Version and model of the champion.

    Raises:
        NothingToDo: no champion exists yet.
        LostChampion: it is gone, or its files are; the message names the way out.
        NotRegisteredHere: this home did not register it.
        PurseError: MLflow or its artifact store does not answer.
    """
    version = champion_version(settings)
    try:
        return version, load_version(settings, version)
    except seals.NotRegisteredHere:
        raise
    except UnusableModel as error:
        out = way_out(settings, connect(settings), Champion(version, "in_force"))
        raise LostChampion(
            f"Champion version {version} of '{settings.mlflow.model_name}' is unusable (files_lost): {error.reason}. "
            f"The last scores stay. {out}",
            error.reason,
        ) from error


def candidates(settings: Settings, client: "MlflowClient", active: str) -> "Iterator[ModelVersion]":
    """Other versions that this home sealed and can load: former champions first, then the newest."""
    versions = client.search_model_versions(f"name = '{settings.mlflow.model_name}'")
    versions = [one for one in versions if str(one.version) != active and seals.sealed_digest(settings, one)]
    for one in sorted(versions, key=lambda one: (one.tags.get("outcome") in PROMOTED, int(one.version)), reverse=True):
        try:
            load_version(settings, str(one.version))
        except UnusableModel:
            continue
        yield one


def way_out(settings: Settings, client: "MlflowClient", lost: Champion) -> str:
    """Sentence with the command that gives the champion its alias back, or makes another version the champion."""
    if lost.state == "alias_removed":
        return f"To give version {lost.version} its alias back, run 'purse champion {lost.version}'."
    other = next(candidates(settings, client, lost.version), None)
    if other is None:
        return TRAIN_ANEW
    return f"To go on with version {other.version}, run 'purse champion {other.version}'; 'purse champion' lists all."


def set_champion(settings: Settings, client: "MlflowClient", version: str) -> None:
    """Set the alias and record the version, which is no challenger any longer."""
    name = settings.mlflow.model_name
    client.set_registered_model_alias(name, CHAMPION, version)
    if version_of(client, name, CHALLENGER) == version:
        client.delete_registered_model_alias(name, CHALLENGER)
    found = client.get_model_version(name, version)
    digest, baseline = seals.sealed_digest(settings, found), found.tags.get(BASELINE)
    write_record(settings, Recorded(model=name, version=version, digest=digest, baseline=baseline))


def moved_from(settings: Settings, version: str | None) -> str | None:
    """Version that Purse had made champion, if somebody else made `version` the champion since; otherwise None."""
    recorded = read_record(settings)
    if recorded is None or version is None:
        return None
    return recorded.moved_from if recorded.version == version else recorded.version


def notice_move(settings: Settings, version: str, moment: datetime) -> None:
    """Write to the audit log, once, that the alias was moved by hand to `version`."""
    recorded = read_record(settings)
    if recorded is None or recorded.version == version:
        return
    details = {"from_version": recorded.version, "to_version": version}
    record(settings.serving_folder, moment, "MLflow", "champion.moved", "noticed", **details)
    write_record(settings, Recorded(model=recorded.model, version=version, moved_from=recorded.version))


def warnings_about(settings: Settings, client: "MlflowClient") -> list[str]:
    """Sentences about a champion that scores, though a hand in MLflow touched it."""
    champion = find_champion(settings, client)
    if champion is None or champion.state in ("in_force", "moved_by_hand"):
        return []
    return [f"Champion version {champion.version} ({champion.state}): {champion.problem}."]


def _get(client: "MlflowClient", name: str, version: str) -> "ModelVersion | None":
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version(name, version)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def _gone(client: "MlflowClient", name: str, version: str) -> Champion:
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return Champion(version, "model_deleted", f"the registered model '{name}' was deleted in MLflow")
    return Champion(version, "version_deleted", f"version {version} was deleted in MLflow")


def _other_model(version: str, alias: str | None, recorded: Recorded) -> Champion:
    """Champion where the registry holds another model than the recorded one."""
    if alias is None:
        return Champion(version, "model_deleted", f"another model was registered as version {version} since")
    return Champion(version, "moved_by_hand", f"the alias was moved from version {recorded.version}")


def _with_run(client: "MlflowClient", version: str, run_id: str) -> Champion:
    state = run_state(client, run_id)
    if state == "deleted":
        restore = "restore it with 'purse champion --restore' before MLflow's gc removes it"
        return Champion(version, "run_deleted", f"its run {run_id} was deleted in MLflow; {restore}")
    if state == "lost":
        return Champion(version, "run_lost", f"its run {run_id} is gone from MLflow, so drift cannot be measured")
    return Champion(version, "in_force")
