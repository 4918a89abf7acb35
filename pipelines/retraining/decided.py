"""Earlier decision on the same training: a retraining that would repeat it is not worth its hours."""

import hashlib
from datetime import date

from pipelines.errors import PurseError
from pipelines.results.decision import Decided, Evaluated
from pipelines.results.result import read_result
from pipelines.results.training import Trained
from pipelines.settings import Settings
from pipelines.tracking.champion import find_champion
from pipelines.tracking.runs import connect


def gate(settings: Settings) -> str:
    """Fingerprint of the settings that decide on a challenger."""
    return hashlib.sha256(settings.promotion.model_dump_json().encode()).hexdigest()[:16]


def earlier_decision(settings: Settings, snapshot_date: date, training_id: str) -> str | None:
    """Description of the decision that a retraining would repeat: same data, code, settings and champion.

    Returns:
        None if this training was not decided, or if its decision could be another one now.

    Raises:
        ServiceDown: MLflow does not answer.
    """
    try:
        trained = read_result(settings, snapshot_date, Trained)
        measured = read_result(settings, snapshot_date, Evaluated)
        decided = read_result(settings, snapshot_date, Decided)
    except PurseError:
        return None
    same_run = trained.run_id == measured.run_id == decided.run_id
    if trained.training_id != training_id or not same_run or decided.gate != gate(settings):
        return None
    champion = find_champion(settings, connect(settings))
    if champion is not None and not champion.usable:
        return None
    became = decided.promoted or decided.outcome == "already_champion"
    if not became and measured.champion_unusable:
        return None
    expected = decided.version if became else measured.champion_version
    return decided.description if (champion.version if champion else None) == expected else None
