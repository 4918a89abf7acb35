"""Commands for custom expectations."""

from typing import Annotated

import typer

from cli.output import AsJson, show
from pipelines.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Custom expectations, checked in addition to the built-in rules.")


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
    """Profile raw tables and write proposed rules to edit; an existing file stays, the proposal goes beside it."""
    from pipelines.validate.proposals import propose as run

    show(run(load_settings(), table), as_json=as_json)
