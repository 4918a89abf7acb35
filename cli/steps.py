"""What the commands of steps share: their options, and how a step is run and waited for."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime
from typing import Annotated

import typer
from rich.console import Console

from cli.output import show
from cli.runner import run_step
from pipelines.results.result import Result
from pipelines.settings import Settings, load_settings

console = Console(stderr=True)

From = Annotated[
    datetime | None,
    typer.Option("--from", formats=["%Y-%m-%d"], help="First day. Default: see above.", show_default=False),
]
To = Annotated[
    datetime | None,
    typer.Option("--to", formats=["%Y-%m-%d"], help="The day after the last. Default: to the end.", show_default=False),
]
Snapshot = Annotated[
    datetime | None,
    typer.Option(
        "--snapshot-date",
        formats=["%Y-%m-%d"],
        help="Exclusive end of the data that is used. Default: the day after the lake's last day.",
        show_default=False,
    ),
]


def day_of(value: datetime | None) -> date | None:
    """The day of an option."""
    return value.date() if value else None


def newest_or(settings: Settings, given: datetime | None) -> date:
    """The snapshot date that was given, or the lake's newest."""
    from pipelines.retraining.newest import resolve_snapshot_date

    return resolve_snapshot_date(settings, day_of(given), datetime.now(UTC).date())


def run_for(name: str, given: datetime | None, step: Callable[[Settings, date], Result], *, as_json: bool) -> None:
    """Run a step of one snapshot and show its result."""
    settings = load_settings()
    snapshot_date = newest_or(settings, given)
    with working(f"{name} {snapshot_date}"):
        result = run_step(settings, snapshot_date, name, lambda: step(settings, snapshot_date))
    show(result, as_json=as_json)


def working(what: str) -> AbstractContextManager[object]:
    """A spinner for a person who waits; nothing in a log."""
    return console.status(what) if console.is_terminal else nullcontext()
