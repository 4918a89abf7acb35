"""Print the result of a command."""

import json
from collections.abc import Mapping
from typing import Annotated

import typer
from pydantic import BaseModel
from rich.console import Console

AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result or the error as one line of JSON, the last on stdout.")
]


def show(result: BaseModel | Mapping[str, object], *, as_json: bool) -> None:
    """Print a result on stdout: one line of JSON for machines, or indented for a person."""
    value = json.loads(result.model_dump_json()) if isinstance(result, BaseModel) else result
    if as_json:
        print(json.dumps(value))  # noqa: T201 - the command's answer
    else:
        Console().print_json(data=value)
