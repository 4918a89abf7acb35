"""The commands for the embedded stack, and how every command prints its result."""

import os
import sys
from typing import Annotated

import typer

from cli.output import AsJson, show
from pipelines.settings import load_settings


def up() -> None:
    """Start MLflow, Airflow and the live service on this machine, as far as they do not run."""
    from stack.services import up as start

    start(load_settings())


def down() -> None:
    """Stop what `up` started."""
    from stack.services import down as stop

    stop(load_settings())


def status(as_json: AsJson = False) -> None:
    """Say what runs, where, and how to log in."""
    from stack.services import status as state

    show(state(load_settings()), as_json=as_json)


def logs(
    name: Annotated[
        str | None, typer.Argument(help="mlflow, api-server, scheduler, dag-processor or serving; default: all.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines are written.")] = False,
) -> None:
    """Show the logs of the embedded stack."""
    from stack.services import logs as follow_logs

    follow_logs(load_settings(), name, follow)


def serve() -> None:
    """Run the live service here, in the foreground; `up` runs it in the background."""
    os.execv(sys.executable, [sys.executable, "-m", "serving"])  # noqa: S606  # no shell, fixed words


def demo() -> None:
    """Take the source from files to scored users through Airflow, and show what came out."""
    from stack.demo import run

    run(load_settings())
