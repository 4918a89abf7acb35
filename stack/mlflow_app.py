"""MLflow's server with its login, confined to its own files.

`mlflow server --app-name purse` finds `create_app` by an entry point in pyproject.toml. MLflow writes wherever an
experiment's artifact location says, for example into the folder of the DAGs, which Airflow runs. An audit hook
(PEP 578) therefore refuses every write outside the server's own folders, every read of the rest of the home, and every
program that it would start. It confines MLflow's own code; it is no sandbox for foreign code, which never runs here.
"""

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import FastAPI

HOME, OWN = "PURSE_HOME", "PURSE_MLFLOW_OWN"
"""Environment variables: the home, and the server's own files and folders in it, separated by colons."""

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {
    "os.chmod": 1, "os.chown": 1, "os.link": 2, "os.mkdir": 1, "os.remove": 1, "os.rename": 2, "os.rmdir": 1,
    "os.symlink": 2, "os.truncate": 1, "os.utime": 1,
}  # fmt: skip
"""Audit events that change files, and the number of paths that they begin with."""

PROGRAMS = ("os.exec", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen")


def create_app() -> "FastAPI":
    """Confine this process, then build MLflow's app with its login."""
    from mlflow.server import auth

    home = Path(os.environ[HOME]).resolve()
    own = [Path(path).resolve() for path in os.environ[OWN].split(os.pathsep)]
    app: FastAPI = auth.create_app()
    confine(home, [*own, Path(tempfile.gettempdir()).resolve(), Path(os.devnull)])
    return app


def confine(home: Path, own: list[Path]) -> None:
    """Refuse writes outside `own`, reads of the rest of `home`, and programs, for the rest of this process."""
    sys.addaudithook(_Confinement(home, tuple(own)))


@dataclass(frozen=True)
class _Confinement:
    """Audit hook; it raises PermissionError."""

    home: Path
    own: tuple[Path, ...]

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Check an event before Python carries it out."""
        if event in PROGRAMS:
            raise PermissionError(f"Purse's MLflow server starts no programs: {event}")
        if event == "open":
            self._check(arguments[0], writes=bool((arguments[2] or 0) & WRITES))
        elif event == "sqlite3.connect":
            self._check(str(arguments[0]).removeprefix("file:").partition("?")[0], writes=True)
        elif event in CHANGES and not _is_below_open_folder(arguments):
            for path in arguments[: CHANGES[event]]:
                self._check(path, writes=True)

    def _check(self, name: object, *, writes: bool) -> None:
        if not isinstance(name, (str, bytes, os.PathLike)):
            return  # the number of a file that was opened before
        path = Path(os.path.realpath(os.fsdecode(name)))
        if any(path.is_relative_to(folder) for folder in self.own):
            return
        if writes or path.is_relative_to(self.home):
            raise PermissionError(f"Purse's MLflow server uses only its own folders, not {path}")


def _is_below_open_folder(arguments: tuple[Any, ...]) -> bool:
    """Whether the path is relative to a folder that this process opened before, as in `shutil.rmtree`."""
    path, folder = arguments[0], arguments[-1]
    is_relative = isinstance(path, (str, bytes)) and not Path(os.fsdecode(path)).is_absolute()
    return is_relative and isinstance(folder, int) and folder >= 0
