"""Commands for the embedded stack."""

import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from cli.output import AsJson, show
from pipelines.settings import load_settings


def up() -> None:
    """Start MLflow, Airflow and the live service on this machine, unless they run already."""
    from stack.services import up as start

    start(load_settings())


def down() -> None:
    """Stop the services that `up` started."""
    from stack.services import down as stop

    stop(load_settings())


def status(as_json: AsJson = False) -> None:
    """Show the services that run, their addresses and the login."""
    from stack.services import status as state

    settings = load_settings()
    found = state(settings)
    if as_json:
        show(found, as_json=True)
    else:
        from stack.status_report import show as show_table

        show_table(settings, found, Console(highlight=False))


def logs(
    name: Annotated[
        str | None, typer.Argument(help="mlflow, api-server, scheduler, dag-processor or serving. Default: all.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep showing new lines.")] = False,
) -> None:
    """Show the logs of the embedded stack."""
    from stack.services import logs as follow_logs

    follow_logs(load_settings(), name, follow)


def serve() -> None:
    """Run the live service in the foreground; `up` runs it in the background."""
    os.execv(sys.executable, [sys.executable, "-m", "serving"])  # noqa: S606  # no shell, fixed words


def demo() -> None:
    """Run the source from files to scored users through Airflow, and show the results."""
    from stack.demo import run

    run(load_settings())
