"""The commands for the rules of a person's own."""

from typing import Annotated

import typer

from cli.output import AsJson, show
from pipelines.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Rules of your own, checked in addition to the built-in ones.")


@app.callback()
def expectations() -> None:
    """Keep 'propose' a subcommand."""


@app.command()
def propose(
    table: Annotated[
        str | None,
        typer.Argument(help="order_lines, users, products or events. Default: every raw table.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Profile raw tables and write rules that a person can edit; what is there stays, and is written beside it."""
    from pipelines.validate.proposals import propose as run

    show(run(load_settings(), table), as_json=as_json)
