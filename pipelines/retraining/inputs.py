"""Data that a scoring or a monitoring starts from: its newest date, and a mark that changes when newer data arrive.

Airflow loses asset events that arrive during a run (apache/airflow#56050). So a run takes the newest date that it
finds, and asks at its end whether its mark still fits the data.
"""

from datetime import date
from typing import Literal

from pipelines.lake import tables
from pipelines.lake.marks import mark_of, raw_mark
from pipelines.retraining.newest import newest_complete_date
from pipelines.settings import Settings
from pipelines.tracking.champion import champion_version

Purpose = Literal["scoring", "monitoring"]
PREDICTIONS = "predictions"


def newest_date(settings: Settings, purpose: Purpose, at_least: date, today: date) -> date:
    """Newest date to score (the lake's newest that is over) or to monitor (the newest scored one).

    Args:
        settings: name the lake.
        purpose: what the date is for.
        at_least: newest date of the events that started the run.
        today: the shop's current day.

    Raises:
        PurseError: the lake has no orders.
    """
    scored = tables.days(settings, PREDICTIONS, "snapshot_date") if purpose == "monitoring" else []
    return max(at_least, scored[-1] if scored else newest_complete_date(settings, today))


def mark(settings: Settings, purpose: Purpose) -> str:
    """Mark of the data that a run reads: the champion, and the rows of the raw tables or of the scores.

    Raises:
        NothingToDo: no champion exists yet.
        ServiceDown: MLflow does not answer.
    """
    marks = raw_mark(settings) if purpose == "scoring" else mark_of(settings, [PREDICTIONS])
    return f"champion-{champion_version(settings)} {marks}"
