"""`python -m serving`, which `purse serve` becomes: the service on the address and port of the settings."""

import logging
import os
import sys

import uvicorn

from pipelines.environment import QUIET
from pipelines.errors import PurseError
from pipelines.settings import load_settings
from serving.app import create_app

SHUTDOWN_SECONDS = 5


def main() -> None:
    """Serve until a signal ends it; a setting that does not fit ends in a message."""
    for name, value in QUIET.items():  # the engine's process inherits them, and TensorFlow computes as in the batch
        os.environ.setdefault(name, value)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = load_settings()
        app = create_app(settings)
    except PurseError as error:
        sys.exit(f"Error: {error}")
    # its own access log, which would hold user ids, is off; the app writes one without
    uvicorn.run(
        app,
        host=settings.services.host,
        port=settings.serving.port,
        loop="uvloop",
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


if __name__ == "__main__":
    main()
