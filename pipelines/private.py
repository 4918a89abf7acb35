"""Keep the home from other users of the machine: umask, mode of the home, and places that are open nevertheless."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from pipelines.settings import Settings

UMASK = 0o077
"""Permissions that new files lack: all of the group and of others."""

MAY_ENTER = stat.S_IXGRP | stat.S_IXOTH

SHOWN = 3
"""Open files that a warning names."""


def close(folder: Path) -> None:
    """Set the mode of an existing folder to 0700; a folder of another owner stays as it is, see `warnings`."""
    with suppress(OSError):
        if folder.stat().st_mode & UMASK:
            folder.chmod(0o700)


def open_files(folder: Path) -> Iterator[Path]:
    """Yield files and folders at and below a folder that their group or others may read, write or enter."""
    places = [folder]
    while places:
        place = places.pop()
        with suppress(OSError):  # deleted since, or of another owner
            if place.lstat().st_mode & UMASK and not place.is_symlink():
                yield place
            if place.is_dir() and not place.is_symlink():
                places += sorted(place.iterdir(), reverse=True)


def warnings(settings: Settings) -> list[str]:
    """Say what of the home and of a lake elsewhere other users of the machine can read, with the command against it."""
    places = [settings.home_path]
    if "://" not in settings.lake and not Path(settings.lake).is_relative_to(settings.home_path):
        places.append(Path(settings.lake))
    return [line for place in places if place.is_dir() for line in _exposed(place.resolve())]


def _exposed(folder: Path) -> Iterator[str]:
    for parent in folder.parents:
        if _others_may_write(parent):
            yield (
                f"Others may replace {folder}, as they may write to {parent}. Close it with 'chmod go-w {parent}', or "
                "move the home elsewhere (PURSE_HOME)."
            )
    if all(way.stat().st_mode & MAY_ENTER for way in (folder, *folder.parents)):
        found = [str(file.relative_to(folder)) for file in islice(open_files(folder), 1, SHOWN + 1)]
        such = f", such as {', '.join(found)}" if found else ""
        yield f"Others on this machine can enter {folder}{such}. Close it with 'chmod -R go= {folder}'."


def _others_may_write(folder: Path) -> bool:
    """Whether others may rename what is in the folder; in one with the sticky bit, such as /tmp, they may not."""
    found = folder.stat()
    if found.st_mode & stat.S_ISVTX:
        return False
    return bool(found.st_mode & stat.S_IWOTH) or bool(found.st_mode & stat.S_IWGRP and found.st_gid != os.getgid())
