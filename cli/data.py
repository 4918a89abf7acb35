"""Commands for data: from the source to features."""

from datetime import date, datetime, time
from typing import Annotated, Literal

import typer

from cli.output import AsJson, show
from cli.runner import run_step
from cli.steps import From, Snapshot, To, day_of, requested_or_newest, run_for, span_of, today, working
from pipelines.settings import load_settings

Replace = Annotated[
    bool,
    typer.Option("--replace", help="Also delete days that the source has lost, and days that lost most rows or sales."),
]
Restore = Annotated[
    int | None,
    typer.Option(
        "--restore",
        metavar="VERSION",
        help="Read no source: stage days again as they were in this version of the staging table, by default the days "
        "that are missing now. A version that does not exist lists those that do.",
        show_default=False,
    ),
]
RestoredTable = Annotated[
    Literal["order_lines", "users", "products", "events"] | None,
    typer.Option("--table", help="With --restore: the table. Default: order_lines.", show_default=False),
]


def ingest(
    from_: From = None,
    to: To = None,
    replace: Replace = False,
    restore: Restore = None,
    table: RestoredTable = None,
    as_json: AsJson = False,
) -> None:
    """Load days of the source into staging unchanged. Default: from ingest.lookback_days before the newest day on."""
    from pipelines.ingest.restore import restore as restored
    from pipelines.ingest.step import ingest as step
    from pipelines.source.days import is_live

    settings = load_settings()
    first, end = span_of(from_, to)
    with working("ingest"):
        if restore is None:
            end = end or (today(settings) if is_live(settings) else None)
            result = run_step(settings, None, "ingest", lambda: step(settings, first, end, replace=replace))
        else:
            name = table or "order_lines"
            result = run_step(settings, None, "ingest", lambda: restored(settings, name, restore, first, end))
    show(result, as_json=as_json)


def validate(
    from_: From = None,
    to: To = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Validate staged days (default: all): valid rows go to raw, invalid rows to quarantine with the reason."""
    from pipelines.validate.step import validate as step

    settings = load_settings()
    first, end = span_of(from_, to)
    with working("validate"):
        result = run_step(
            settings, None, "validate", lambda: step(settings, first, end, today(settings), replace=replace)
        )
    show(result, as_json=as_json)


def snapshot_date(
    snapshot_date: Snapshot = None,
    purpose: Annotated[
        Literal["training", "scoring", "monitoring"],
        typer.Option("--for", help="scoring, monitoring: exit with code 99 if no champion exists yet."),
    ] = "training",
    at_least: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Date of new data: the result is this or a newer one."),
    ] = None,
    unless: Annotated[
        str | None, typer.Option(help="Exit with code 99 if `inputs` is still this: no newer data arrived.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the snapshot date that a run uses by default, and a mark of its `inputs`; fail if the data is stale."""
    settings = load_settings()
    inputs = ""
    if purpose != "training":
        from pipelines.errors import NothingToDo
        from pipelines.retraining.inputs import mark, newest_date

        inputs = mark(settings, purpose)  # before the date: data that arrive in between count as newer
        if inputs == unless:
            raise NothingToDo("No newer data arrived during this run.")
        first = day_of(at_least) or (date.min if purpose == "monitoring" else None)
        if first and snapshot_date is None:
            found = newest_date(settings, purpose, first, today(settings))
            snapshot_date = datetime.combine(found, time())
    resolved = requested_or_newest(settings, snapshot_date)
    show({"snapshot_date": resolved.isoformat(), "inputs": inputs}, as_json=as_json)


def build_features(
    snapshot_date: Snapshot = None,
    purpose: Annotated[
        Literal["training", "scoring"],
        typer.Option("--for", help="training: the rolling snapshots before the date; scoring: the date itself."),
    ] = "scoring",
    as_json: AsJson = False,
) -> None:
    """Compute features of users with a purchase before the snapshot, and of known users without orders."""
    from pipelines.build_features.step import build_features as step

    # separate results: a scoring run may build features during a retraining of the same date
    name = "build_features" if purpose == "training" else "build_scoring_features"
    run_for(name, snapshot_date, lambda s, d: step(s, d, purpose), as_json=as_json)
