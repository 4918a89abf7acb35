"""Command `purse trust`."""

import getpass
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.steps import console
from pipelines.settings import load_settings


def trust(
    version: Annotated[str, typer.Argument(help="Version of the registered model.")],
    yes: Annotated[bool, typer.Option("--yes", help="Trust it without being asked.")] = False,
) -> None:
    """Show what a version consists of and, after a question, trust it: this home then loads it.

    Needed after a home was restored without its secrets, or for a version that another home registered. A model is
    code: whoever wrote its files can do whatever you can do.
    """
    from pipelines.trust import inspect
    from pipelines.trust import trust as step

    settings = load_settings()
    inspected = inspect(settings, version)
    size = sum(file.size for file in inspected.files)
    console.print(
        f"Version {version} of '{settings.mlflow.model_name}', {inspected.family or 'of unknown families'}\n"
        f"Registered {inspected.created_at:%Y-%m-%d %H:%M} UTC by {inspected.created_by or 'an unknown user'}, "
        f"run {inspected.run_id or 'unknown'} (as MLflow says)\n"
        f"{len(inspected.files)} files, {size:,} bytes, digest {inspected.digest}",
        highlight=False,
        markup=False,
    )
    for name in inspected.pickles:
        console.print(f"  {name} runs code when the model is read", highlight=False, markup=False)
    if inspected.sealed:
        console.print("This home registered or trusted exactly these files before: nothing to do.")
        return
    if not yes and not typer.confirm("Do you know who wrote these files, and trust them?"):
        raise typer.Abort
    step(settings, inspected, getpass.getuser(), datetime.now(UTC))
    console.print(f"Version {version} is trusted. Set the alias 'champion' on it in MLflow to score with it.")
