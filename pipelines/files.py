"""Atomic file writes, file locks and code fingerprints."""

import fcntl
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pipelines.errors import PurseError
from pipelines.settings import Settings

SECRET_BYTES = 32
"""Length of a generated key."""


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


def secret(file: Path) -> bytes:
    """Read a key of 32 random bytes; create it at first use, readable by its owner only.

    Raises:
        PurseError: the file has another length.
    """
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # created with mode 0600
        with os.fdopen(handle, "wb") as content:
            content.write(secrets.token_bytes(SECRET_BYTES))
            content.flush()
            os.fsync(content.fileno())
        with suppress(FileExistsError):  # another process was first
            os.link(temporary, file)
        Path(temporary).unlink()
    key = file.read_bytes()
    if len(key) != SECRET_BYTES:
        raise PurseError(
            f"The key {file} has {len(key)} bytes instead of {SECRET_BYTES}. Restore it from a backup, or delete it: "
            "Purse then makes a new one, and what was sealed with the old one has to be trusted or made again."
        )
    return key


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
