"""Faults of the machine behind an error: full or read-only disk, no permission, no memory, damaged files.

Libraries wrap such an error, or a step takes it for a fault of the source. All errors of a chain are searched, so one
place can say in one sentence which file is concerned and what to do.
"""

import errno
import getpass
import os
import re
import resource
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil

from pipelines.databases import damaged
from pipelines.errors import PurseError, causes
from pipelines.lake.damage import damages
from pipelines.settings import Settings

AGAIN = "run the command again: what was there before is unchanged"
PLACE = re.compile(r"""["'“`](/[^"'”`\n]+)["'”`]""")
DAMAGE = re.compile(
    "malformed|not a database|parquet|magic bytes|delta|snappy|json|no such file|no files found", re.IGNORECASE
)
"""Words of errors that a damaged file may cause; the files are then searched."""


def explain(settings: Settings, error: BaseException) -> str | None:
    """Say which fault of the machine caused an error and how to remove it; None if there was none."""
    chain = list(causes(error))
    for codes, words, sentence in _FAULTS:
        for cause in chain:
            if getattr(cause, "errno", None) in codes or re.search(words, f"{type(cause).__name__}: {cause}"):
                return sentence(settings, _file(cause))
    if isinstance(error, PurseError):
        return None  # a step knows better what the rest means
    for cause in chain:
        if isinstance(cause, PermissionError):
            return _denied(settings, _file(cause))
    return _damage(settings) if any(_may_be_damage(cause) for cause in chain) else None


def _file(cause: BaseException) -> Path | None:
    name = getattr(cause, "filename", None) or next(iter(PLACE.findall(str(cause))), None)
    return Path(os.fsdecode(name)) if isinstance(name, (str, bytes)) else None


def _full(settings: Settings, file: Path | None) -> str:
    places = [settings.home_path, Path(tempfile.gettempdir())]
    places += [file] if file else []
    places += [] if "://" in settings.lake else [Path(settings.lake)]
    place = min(map(_existing, places), key=lambda folder: shutil.disk_usage(folder).free)
    elsewhere = "" if place.is_relative_to(settings.home_path) else ", or set TMPDIR to a folder on another disk,"
    free = shutil.disk_usage(place).free / 1e6
    return f"The disk of {place} is full ({free:,.0f} MB free). Free space there{elsewhere} and {AGAIN}."


def _read_only(settings: Settings, file: Path | None) -> str:
    return (
        f"{file or settings.home_path} can't be written: its disk is read-only. Mount it for writing, or choose "
        f"another home with PURSE_HOME, and {AGAIN}."
    )


def _denied(settings: Settings, file: Path | None) -> str:
    place = _existing(file or settings.home_path)
    try:
        owner = place.owner()
    except (KeyError, OSError):
        owner = "another user"
    return (
        f"{file or place} can't be opened: user {getpass.getuser()} lacks the permission, and {place} belongs to "
        f"{owner}. Run the command as {owner}, or give the permission with 'chmod u+rwX {place}', and {AGAIN}."
    )


def _memory(settings: Settings, file: Path | None) -> str:  # noqa: ARG001  # one form for all faults
    memory = psutil.virtual_memory()
    return (
        f"The memory is used up: {memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB are free, and DuckDB may "
        f"use {settings.memory} (setting memory). End other programs, or set PURSE_MEMORY to what is free, and {AGAIN}."
    )


def _too_many(settings: Settings, file: Path | None) -> str:  # noqa: ARG001
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return f"Too many files are open: the limit is {limit}. Raise it with 'ulimit -n 4096' and {AGAIN}."


def _broken_disk(settings: Settings, file: Path | None) -> str:
    return (
        f"The disk of {file or settings.home_path} reports an error. Look at the machine's log with 'dmesg', copy the "
        "home to a sound disk or restore it from a backup, and run the command again."
    )


def _no_folder(settings: Settings, file: Path | None) -> str:  # noqa: ARG001
    return (
        f"No temporary file can be written in {os.environ.get('TMPDIR', '/tmp')}: its disk is full or closed. "  # noqa: S108
        f"Free space there, or set TMPDIR to another folder, and {AGAIN}."
    )


def _damage(settings: Settings) -> str | None:
    for found in damaged(settings):
        return (
            f"The file {found.file} is damaged: {found.problem}. Restore it from a backup. Without one, move it away "
            f"with '{found.command}': {found.lost}. 'purse doctor' lists everything that is damaged."
        )
    for hurt in damages(settings):
        return (
            f"The table '{hurt.table}' is damaged: {hurt.file} {hurt.problem}. Run '{hurt.command}', and then this "
            "command again. 'purse doctor' lists everything that is damaged."
        )
    return None


def _may_be_damage(cause: BaseException) -> bool:
    return isinstance(cause, sqlite3.DatabaseError) or bool(DAMAGE.search(f"{type(cause).__name__}: {cause}"))


def _existing(path: Path) -> Path:
    return next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())


_FAULTS: tuple[tuple[tuple[int, ...], str, Callable[[Settings, Path | None], str]], ...] = (
    (
        (errno.ENOSPC, errno.EDQUOT),
        "No space left on device|database or disk is full|[Dd]isk quota exceeded|StorageFull",
        _full,
    ),
    ((errno.EROFS,), "Read-only file system|attempt to write a readonly database", _read_only),
    ((errno.ENOMEM,), r"^\w*MemoryError|^OutOfMemory|Cannot allocate memory|bad_alloc", _memory),
    ((errno.EMFILE, errno.ENFILE), "Too many open files", _too_many),
    ((errno.EIO,), "Input/output error|disk I/O error", _broken_disk),
    ((), "No usable temporary directory", _no_folder),
)
