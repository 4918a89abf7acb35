"""Shared code of the step commands: options, running a step, the spinner."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console

from cli.output import show
from cli.runner import run_step
from pipelines.errors import Mistake
from pipelines.results.result import Result
from pipelines.settings import Settings, load_settings

console = Console(stderr=True)

From = Annotated[
    datetime | None,
    typer.Option("--from", formats=["%Y-%m-%d"], help="First day. Default: see the description.", show_default=False),
]
To = Annotated[
    datetime | None,
    typer.Option(
        "--to",
        formats=["%Y-%m-%d"],
        help="Day after the last day. Default: every day that is over.",
        show_default=False,
    ),
]
Snapshot = Annotated[
    datetime | None,
    typer.Option(
        "--snapshot-date",
        formats=["%Y-%m-%d"],
        help="Exclusive end of the data. Default: the day after the lake's last day that is over.",
        show_default=False,
    ),
]


def day_of(value: datetime | None) -> date | None:
    """Convert an option to a date."""
    return value.date() if value else None


def span_of(from_: datetime | None, to: datetime | None) -> tuple[date | None, date | None]:
    """Convert the options of a span of days to dates.

    Raises:
        Mistake: the span is empty.
    """
    first, end = day_of(from_), day_of(to)
    if first and end and first >= end:
        raise Mistake(
            f"Expected --from (the first day) before --to (the day after the last day), found --from {first} and --to "
            f"{end}. Correct them; for the single day {first} give --to {first + timedelta(days=1)}."
        )
    return first, end


def today(settings: Settings) -> date:
    """Return the shop's current day."""
    from pipelines.source.days import shop_day

    return shop_day(settings, datetime.now(UTC))


def requested_or_newest(settings: Settings, requested: datetime | None) -> date:
    """Return the requested snapshot date, or the lake's newest."""
    from pipelines.retraining.newest import resolve_snapshot_date

    return resolve_snapshot_date(settings, day_of(requested), today(settings))


def run_for(name: str, requested: datetime | None, step: Callable[[Settings, date], Result], *, as_json: bool) -> None:
    """Run a step for one snapshot and show its result."""
    settings = load_settings()
    snapshot_date = requested_or_newest(settings, requested)
    with working(f"{name} {snapshot_date}"):
        result = run_step(settings, snapshot_date, name, lambda: step(settings, snapshot_date))
    show(result, as_json=as_json)


def working(label: str) -> AbstractContextManager[object]:
    """Show a spinner in a terminal; do nothing elsewhere."""
    return console.status(label) if console.is_terminal else nullcontext()
