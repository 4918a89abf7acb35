"""`python -m serving`, run by `purse serve`: start the service on the address and port of the settings."""

import logging
import os
import sys

import uvicorn

from pipelines.environment import QUIET
from pipelines.errors import PurseError
from pipelines.private import UMASK, close
from pipelines.settings import load_settings
from serving.app import create_app

SHUTDOWN_SECONDS = 5


def main() -> None:
    """Serve until a signal arrives; exit with a message if a setting is invalid."""
    os.umask(UMASK)  # inherited by the engine process
    for name, value in QUIET.items():  # inherited by the engine process, so that TensorFlow computes as in the batch
        os.environ.setdefault(name, value)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = load_settings()
        close(settings.home_path)
        app = create_app(settings)
    except PurseError as error:
        sys.exit(f"Error: {error}")
    # uvicorn's access log would contain user ids; the app writes its own without them
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
