"""Command `purse doctor`."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.output import AsJson, show
from cli.steps import console, working
from pipelines.settings import load_settings


def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Remove what can be removed without losing anything.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check the home from end to end; print each fault with the command against it. Exit code 1: there are faults."""
    from stack.doctor.checks import examine
    from stack.doctor.checks import fix as remove

    settings = load_settings()
    with working("doctor"):
        found = examine(settings, datetime.now(UTC))
        fixed = remove(found) if fix else []
        left = examine(settings, datetime.now(UTC)) if fixed else found
    if as_json:
        rows = [{"check": one.check, "problem": one.problem, "command": one.command} for one in left]
        show({"home": str(settings.home_path), "fixed": [one.problem for one in fixed], "findings": rows}, as_json=True)
    else:
        for one in fixed:
            console.print(f"Fixed: {one.problem}", markup=False, highlight=False, soft_wrap=True)
        for one in left:
            safe = "  (or 'purse doctor --fix')" if one.fix else ""
            typer.echo(f"{one.check}: {one.problem}\n    {one.command}{safe}")
        if not left:
            typer.echo(f"{settings.home_path}: nothing found")
    if left:
        raise typer.Exit(1)
