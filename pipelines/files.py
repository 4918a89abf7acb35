"""Atomic file writes, file locks and code fingerprints."""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pipelines.errors import PurseError
from pipelines.settings import Settings


def code_fingerprint(*places: Path) -> str:
    """Short fingerprint of source code: path and content of every Python file at or below the places.

    Args:
        places: files or folders; folders are searched recursively.
    """
    digest = hashlib.sha256()
    for place in places:
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(f"{file.relative_to(place.parent).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@contextmanager
def locked(file: Path, message: str) -> Iterator[None]:
    """Hold the lock of a file inside the block; a killed process releases its lock.

    Raises:
        PurseError: another process holds the lock; the text is `message`.
    """
    with file.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise PurseError(message) from None
        yield


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file's content at once: after a crash the file has the old or the new content, never a part."""
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file for writing that replaces `path` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def exclusive(settings: Settings, name: str) -> Iterator[None]:
    """Let one process of this machine at a time run the block; a killed process releases its lock."""
    path = settings.home_path / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
