"""Step `deploy`: let the live service activate the champion's newest scores."""

from datetime import datetime
from typing import Any

from pipelines.live.client import ask
from pipelines.settings import Settings


def deploy(settings: Settings, now: datetime) -> dict[str, Any]:
    """Let the service prepare the champion's newest release, try it on its canary and activate it.

    Returns:
        deployed (false: it was active already), release, canary and warning, as the service reports.

    Raises:
        NothingToDo: no service runs; the next one that starts without a release deploys by itself.
        PurseError: the release was refused or could not be written; the active one stays.
    """
    return ask(settings, "deploy", {}, now)
