"""How commands print their result."""

import json
from typing import Annotated

import typer
from rich.console import Console

from cli.runner import Result

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON, last on stdout.")]


def show(result: Result, *, as_json: bool) -> None:
    """Print a result on stdout: one line for machines, or indented for a person."""
    if as_json:
        print(json.dumps(result))  # noqa: T201 - the command's answer
    else:
        Console().print_json(data=result)
