"""The command that makes a simulated shop."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.output import AsJson, show
from pipelines.settings import load_settings

FIRST_DAY = datetime.fromisoformat("2024-01-01")


def simulate(
    users: Annotated[int, typer.Option(help="Users that register by the end.", min=1)],
    days: Annotated[int, typer.Option(help="Days to simulate.", min=1)],
    seed: Annotated[int, typer.Option(help="The same seed writes the same bytes.", min=0)] = 0,
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The first day.")] = FIRST_DAY,
    drift: Annotated[
        list[str] | None,
        typer.Option(
            help="KIND@DAY: price_rise, mix_change or broken_tracking from that day on, the first being 0. Repeatable.",
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
            help="Folder to write. Default: <source_root>/marketplace, which is in the home unless set.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a simulated shop: users, products, orders, returns and events. No row of it is real."""
    from marketplace.plan import Plan
    from pipelines.simulate import parse_dirt, parse_drift
    from pipelines.simulate import simulate as run

    plan = Plan(users, days, seed, start.date(), parse_drift(drift or [], days), parse_dirt(dirt or []))
    show(run(load_settings(), plan, output, Console(stderr=True)), as_json=as_json)
