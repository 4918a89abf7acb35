"""One service in a home at a time: two would answer from one store with different engines."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.errors import PurseError


@contextmanager
def only_service(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder of the service; that of a killed one is free again.

    Raises:
        PurseError: another service holds it.
    """
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise PurseError(
                f"Another service runs in {folder}. Stop it with 'purse down', or where it was started by hand."
            ) from None
        yield
