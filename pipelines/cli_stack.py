"""The commands for the embedded stack, and how every command prints its result."""

import json
import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from pipelines.runner import Result
from pipelines.settings import load_settings

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON, last on stdout.")]


def show(result: Result, *, as_json: bool) -> None:
    """Print a result on stdout: one line for machines, or indented for a person."""
    if as_json:
        print(json.dumps(result))  # noqa: T201 - the command's answer
    else:
        Console().print_json(data=result)


def up() -> None:
    """Start MLflow, Airflow and the live service on this machine, as far as they do not run."""
    from pipelines.services import up as start

    start(load_settings())


def down() -> None:
    """Stop what `up` started."""
    from pipelines.services import down as stop

    stop(load_settings())


def status(as_json: AsJson = False) -> None:
    """Say what runs, where, and how to log in."""
    from pipelines.services import status as state

    show(state(load_settings()), as_json=as_json)


def logs(
    name: Annotated[
        str | None, typer.Argument(help="mlflow, api-server, scheduler, dag-processor or serving; default: all.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines are written.")] = False,
) -> None:
    """Show the logs of the embedded stack."""
    from pipelines.services import logs as follow_logs

    follow_logs(load_settings(), name, follow)


def serve() -> None:
    """Run the live service here, in the foreground; `up` runs it in the background."""
    os.execv(sys.executable, [sys.executable, "-m", "serving"])  # noqa: S606  # no shell, fixed words


def demo() -> None:
    """Take the source from files to scored users through Airflow, and show what came out."""
    from pipelines.demo import run

    run(load_settings())
