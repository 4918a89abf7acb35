"""Step `deploy`: tell the live service to put the newest scores of the champion into force."""

from datetime import datetime
from typing import Any

from pipelines.live.client import ask
from pipelines.settings import Settings


def deploy(settings: Settings, now: datetime) -> dict[str, Any]:
    """Let the service prepare the champion's newest release, try it on its canary and put it into force.

    Returns:
        deployed (false: it was in force already), release, canary and warning, as the service says.

    Raises:
        NothingToDo: no service runs; the next one that starts without a release deploys by itself.
        PurseError: the release was refused or could not be written; the one in force goes on.
    """
    return ask(settings, "deploy", {}, now)
