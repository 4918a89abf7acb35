"""Step `choose`: a person makes a version the champion, or restores what was deleted in MLflow."""

from dataclasses import dataclass
from datetime import datetime

from pipelines.audit import record
from pipelines.errors import PurseError
from pipelines.settings import Settings
from pipelines.tracking.champion import candidates, find_champion, set_champion
from pipelines.tracking.logged_model import load_version
from pipelines.tracking.registry import PREVIOUS, ROLLED_BACK_TO, baseline_of, last_refusal
from pipelines.tracking.runs import connect, run_state


@dataclass(frozen=True)
class Choice:
    """The champion, its state, and the other versions that can be champion.

    Attributes:
        version: the champion; None: there was none yet.
        state: state of the champion, see `pipelines.tracking.champion`.
        problem: what is wrong with it, or without one why the last challenger was refused; empty if nothing is.
        others: other versions that this home registered and can load.
        baseline: name of the baseline that the champion is; None for a model.
    """

    version: str | None
    state: str
    problem: str
    others: list[str]
    baseline: str | None = None


def look(settings: Settings) -> Choice:
    """Find the champion and the versions that could be champion instead.

    Raises:
        PurseError: MLflow does not answer, or its experiment was deleted.
    """
    client = connect(settings)
    champion = find_champion(settings, client)
    if champion is None:
        refusal = last_refusal(client, settings.mlflow.model_name) or ""
        return Choice(None, "none_yet", refusal, [str(one.version) for one in candidates(settings, client, "")])
    state, problem = champion.state, champion.problem
    found: str = state
    if champion.intact:
        try:
            load_version(settings, champion.version)
        except PurseError as error:
            found, problem = "files_lost", getattr(error, "reason", str(error))
    others = [str(one.version) for one in candidates(settings, client, champion.version)]
    return Choice(
        champion.version, found, problem, others, baseline_of(client, settings.mlflow.model_name, champion.version)
    )


def choose(settings: Settings, version: str, who: str, now: datetime) -> None:
    """Make a version the champion, without the gate, because a person says so.

    Raises:
        UnusableModel: this home did not register the version, or it cannot be loaded.
        PurseError: MLflow does not answer.
    """
    client, name = connect(settings), settings.mlflow.model_name
    load_version(settings, version)
    try:
        before = find_champion(settings, client)
    except PurseError:  # the record is damaged: it is written again below
        before = None
    if before and before.intact and before.version != version:
        client.set_model_version_tag(name, version, PREVIOUS, before.version)
    if ROLLED_BACK_TO in client.get_model_version(name, version).tags:
        client.delete_model_version_tag(name, version, ROLLED_BACK_TO)
    set_champion(settings, client, version)
    details = {"from_version": before.version if before else None, "to_version": version}
    record(settings.serving_folder, now, who, "champion.set", "done", **details)


def restore(settings: Settings) -> list[str]:
    """Restore the experiment with its runs, and the champion's run, if they were deleted; return what was restored.

    Raises:
        PurseError: MLflow does not answer.
    """
    try:
        client, done = connect(settings), []
    except PurseError:
        client = connect(settings, restore=True)
        done = [f"experiment '{settings.mlflow.experiment}' with its runs"]
    champion = find_champion(settings, client)
    if champion and champion.state == "run_deleted":
        run_id = client.get_model_version(settings.mlflow.model_name, champion.version).run_id or ""
        if run_state(client, run_id) == "deleted":
            client.restore_run(run_id)
            done.append(f"run {run_id}")
    return done
