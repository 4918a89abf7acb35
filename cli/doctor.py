"""Command `purse doctor`."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.output import AsJson, show
from cli.steps import console, working
from pipelines.results.health import Examined, Fault
from pipelines.results.result import write_result
from pipelines.settings import load_settings


def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Remove what can be removed without losing anything.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check the home from end to end; print each fault with the command against it. Exit code 1: there are faults."""
    from stack.doctor.checks import examine
    from stack.doctor.checks import fix as remove

    settings, now = load_settings(), datetime.now(UTC)
    with working("doctor"):
        found = examine(settings, now)
        fixed = remove(found) if fix else []
        left = examine(settings, datetime.now(UTC)) if fixed else found
    for one in fixed:
        console.print(f"Fixed: {one.problem}", markup=False, highlight=False, soft_wrap=True)
    for one in left:
        safe = "  (or 'purse doctor --fix')" if one.fix else ""
        typer.echo(f"{one.check}: {one.problem}\n    {one.command}{safe}", err=as_json)
    result = Examined(
        home=str(settings.home_path),
        checked_at=now,
        findings=[Fault(check=one.check, problem=one.problem, command=one.command) for one in left],
        fixed=[one.problem for one in fixed],
    )
    if as_json:
        show(result, as_json=True)
    elif not left:
        typer.echo(f"{settings.home_path}: nothing found")
    if settings.home_path.is_dir():
        write_result(settings, now.date(), result)
    if left:
        raise typer.Exit(1)
