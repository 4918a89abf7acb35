"""Steps of a simulated shop's nights as the DAGs run them, with a passed day."""

from datetime import UTC, date, datetime

from cli.runner import run_step
from pipelines.build_features.step import build_features
from pipelines.evaluate.step import evaluate
from pipelines.ingest.step import ingest
from pipelines.promote import promote
from pipelines.register import register
from pipelines.results.data import Validated
from pipelines.results.decision import Decided
from pipelines.results.scoring import Scored
from pipelines.score import score
from pipelines.settings import Settings
from pipelines.split import split
from pipelines.sweep import plan, work
from pipelines.train.step import train
from pipelines.validate.step import validate

SMALL = {
    "sweep__families": ["linear_rfm", "ridge_rfm"],
    "sweep__trials": 2,
    "snapshots__max_training": 4,
    "training__finalists": 2,
    "promotion__bootstrap_samples": 50,
    "serving__port": 1,  # where nothing listens
}
"""Settings with which a retraining takes seconds."""


def load(settings: Settings, day: date) -> Validated:
    """Steps of the scheduled run of `ingest_daily`: load the days before `day`."""
    read = run_step(settings, None, "ingest", lambda: ingest(settings, to_date=day))
    return run_step(settings, None, "validate", lambda: validate(settings, read.from_date, read.to_date, day))


def rescore(settings: Settings, day: date) -> Scored:
    """Steps of `score_daily`."""
    build_features(settings, day)
    return score(settings, day, datetime(day.year, day.month, day.day, 3, tzinfo=UTC))


def retrain(settings: Settings, day: date) -> Decided:
    """Steps of `retrain_daily`."""
    run_step(settings, day, "build_features", lambda: build_features(settings, day, "training"))
    for name, step in (("split", split), ("plan_sweep", plan)):
        run_step(settings, day, name, lambda step=step: step(settings, day))
    run_step(settings, day, "sweep", lambda: work(settings, day, "worker-1"))
    for name, step in (("train", train), ("evaluate", evaluate), ("register", register)):
        run_step(settings, day, name, lambda step=step: step(settings, day))
    return promote(settings, day)
