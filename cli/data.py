"""The commands of the data: from the source to features."""

from typing import Annotated, Literal

import typer

from cli.output import AsJson, show
from cli.runner import run_step
from cli.steps import From, Snapshot, To, day_of, newest_or, run_for, working
from pipelines.settings import load_settings


def ingest(
    from_: From = None,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Read days of the source into staging, as they arrived; by default from some days before the newest loaded on."""
    from pipelines.ingest.step import ingest as step

    settings = load_settings()
    with working("ingest"):
        result = run_step(settings, None, "ingest", lambda: step(settings, day_of(from_), day_of(to)))
    show(result, as_json=as_json)


def validate(
    from_: From = None,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Check staged days, by default all: good rows become raw data, the others go to quarantine with their reason."""
    from pipelines.validate.step import validate as step

    settings = load_settings()
    with working("validate"):
        result = run_step(settings, None, "validate", lambda: step(settings, day_of(from_), day_of(to)))
    show(result, as_json=as_json)


def snapshot_date(
    snapshot_date: Snapshot = None,
    purpose: Annotated[
        Literal["training", "scoring"],
        typer.Option("--for", help="scoring: stop with exit code 99 while there is no champion to score with."),
    ] = "training",
    as_json: AsJson = False,
) -> None:
    """Say which snapshot date a run without one would take; stop when the data is stale."""
    settings = load_settings()
    found = newest_or(settings, snapshot_date)
    if purpose == "scoring":
        from pipelines.tracking.registry import champion_version

        champion_version(settings)
    show({"snapshot_date": found.isoformat()}, as_json=as_json)


def build_features(
    snapshot_date: Snapshot = None,
    purpose: Annotated[
        Literal["training", "scoring"],
        typer.Option("--for", help="training: the rolling snapshots before the date; scoring: the date itself."),
    ] = "scoring",
    as_json: AsJson = False,
) -> None:
    """Compute the features of users with a purchase before the snapshot, and of those known without one."""
    from pipelines.build_features.step import build_features as step

    # kept apart: a scoring run may build beside a retraining of the same date
    name = "build_features" if purpose == "training" else "build_scoring_features"
    run_for(name, snapshot_date, lambda s, d: step(s, d, purpose), as_json=as_json)
