"""Command `purse champion`."""

import getpass
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.output import AsJson, show
from cli.steps import console
from pipelines.settings import load_settings


def champion(
    version: Annotated[
        str | None, typer.Argument(help="Version to make the champion. Default: only show the champion.")
    ] = None,
    restore: Annotated[
        bool, typer.Option("--restore", help="Restore the experiment and the champion's run if they were deleted.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the champion and its state, or make another version the champion.

    `baseline` names the baseline that scores until a model is shown to be better. Without a champion, `problem` says
    why the last challenger was refused.

    A version that you name becomes the champion without a comparison. It must have been registered by this home, and
    its files must be whole. The audit log records who did it.
    """
    from pipelines.choose import choose, look
    from pipelines.choose import restore as restore_deleted

    settings = load_settings()
    if restore:
        done = restore_deleted(settings)
        console.print(f"Restored: {', '.join(done)}." if done else "Nothing to restore.", highlight=False)
    if version is not None:
        choose(settings, version, getpass.getuser(), datetime.now(UTC))
        console.print(f"Version {version} is the champion. Run 'purse score' to score with it.", highlight=False)
    found = look(settings)
    commands = [f"purse champion {other}" for other in found.others]
    about = {"version": found.version, "baseline": found.baseline, "state": found.state, "problem": found.problem}
    show({**about, "others": commands}, as_json=as_json)
