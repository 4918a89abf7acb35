"""Command that writes a simulated shop."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.output import AsJson, show
from pipelines.settings import load_settings

FIRST_DAY = datetime.fromisoformat("2024-01-01")


def simulate(
    users: Annotated[int, typer.Option(help="Users registered by the last day.", min=1)],
    days: Annotated[int, typer.Option(help="Days to simulate.", min=1)],
    seed: Annotated[int, typer.Option(help="Random seed; the same seed writes the same bytes.", min=0)] = 0,
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First day.")] = FIRST_DAY,
    drift: Annotated[
        list[str] | None,
        typer.Option(
            help="KIND@DAY: price_rise, mix_change or broken_tracking from that day on; the first is 0. Repeatable.",
            show_default=False,
        ),
    ] = None,
    dirt: Annotated[
        list[str] | None,
        typer.Option(
            help="KIND or KIND=SHARE: nulls, duplicates, outliers, late, out_of_order, bad_encodings, all. Repeatable.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write. Default: <source_root>/marketplace; source_root is the home unless set.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a simulated shop: users, products, orders, returns and events. All rows are synthetic."""
    from marketplace.plan import Plan
    from pipelines.simulate import parse_dirt, parse_drift
    from pipelines.simulate import simulate as run

    plan = Plan(users, days, seed, start.date(), parse_drift(drift or [], days), parse_dirt(dirt or []))
    show(run(load_settings(), plan, output, Console(stderr=True)), as_json=as_json)
