"""`python -m serving`, run by `purse serve`: start the service on the address and port of the settings."""

import contextlib
import logging
import os
import sys

from pipelines.environment import QUIET
from pipelines.errors import PurseError
from pipelines.private import UMASK, close
from pipelines.settings import load_settings
from serving.app import create_app
from serving.server import create_server


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
        server = create_server(create_app(settings), settings)
    except PurseError as error:
        sys.exit(f"Error: {error}")
    with contextlib.suppress(KeyboardInterrupt):  # raised again by uvicorn after it has closed the service
        server.run()


if __name__ == "__main__":
    main()
