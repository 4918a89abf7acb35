"""Checks of the machine: clock, disk, modes of files, installed versions."""

import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path

from packaging.version import Version

from pipelines import private
from pipelines.settings import Settings
from stack.doctor.finding import Finding

FREE_BYTES = 300_000_000
"""Free space below which the next night may fill a disk."""

TOLERANCE = timedelta(minutes=5)
"""Difference of clocks that is no fault."""

COMMAND = re.compile(r"'(chmod [^']+)'")
PREPARED_BY = {"airflow/database_version": "apache-airflow-core", "mlflow/database_version": "mlflow"}


def clock(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Files of the home from the future: the clock jumped back, or was ahead when they were written."""
    home = settings.home_path
    files = [*home.glob("results/*/*.json"), *home.glob("lake/*/_delta_log/*.json"), *home.glob("*.db")]
    newest = max(files, key=lambda file: file.stat().st_mtime, default=None)
    if newest is None:
        return
    written = datetime.fromtimestamp(newest.stat().st_mtime, UTC)
    if written > now + TOLERANCE:
        yield Finding(
            "clock",
            f"The clock says {now:%Y-%m-%d %H:%M} UTC, but {newest} was written at {written:%Y-%m-%d %H:%M} UTC: one "
            "of both times is wrong. Set the clock; schedules and keys depend on it.",
            "timedatectl set-ntp true",
        )


def disk(settings: Settings, now: datetime) -> Iterator[Finding]:  # noqa: ARG001  # one form for all checks
    """Disks with little free space: of the home, of the lake and of temporary files."""
    folders = {settings.home_path, Path(tempfile.gettempdir())}
    folders |= set() if "://" in settings.lake else {Path(settings.lake)}
    for folder in sorted(folder for folder in folders if folder.is_dir()):
        usage = shutil.disk_usage(folder)
        if usage.free < FREE_BYTES:
            yield Finding("disk", f"The disk of {folder} has {usage.free / 1e6:,.0f} MB left.", f"du -xh -d 2 {folder}")


def modes(settings: Settings, now: datetime) -> Iterator[Finding]:  # noqa: ARG001
    """Files that other users of the machine can read or replace."""
    for warning in private.warnings(settings):
        found = COMMAND.search(warning)
        closes = settings.home_path.resolve()
        ours = found is not None and found[1].endswith(f"go= {closes}")
        fix = partial(_close, closes) if ours else None
        yield Finding("modes", warning, found[1] if found else "purse status", fix)


def versions(settings: Settings, now: datetime) -> Iterator[Finding]:  # noqa: ARG001
    """Databases that a newer version prepared than the installed one."""
    for name, package in PREPARED_BY.items():
        file = settings.home_path / name
        if file.is_file() and Version(prepared := file.read_text().strip()) > Version(version(package)):
            yield Finding(
                "versions",
                f"{file.parent} was prepared by {package} {prepared}, and {version(package)} is installed: it can't "
                "read the databases of a newer version. Install the version of Purse that was here before.",
                "make install",
            )


def _close(folder: Path) -> None:
    for path in private.open_files(folder):
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~private.UMASK)
