"""Background processes of the embedded stack: start them, find them, stop them, and only them.

Two marks tell our processes from others. A file `<home>/run/<name>.json` holds a service's pid with its start
time, so that a pid that was given to another program since is never taken for the service. And every process
carries `PURSE_SERVICE=<name>@<home>` in its environment, inherited by whatever it starts, so that workers that left
their session or outlived their parent are found as well.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from pipelines.errors import PurseError
from pipelines.files import locked

MARK = "PURSE_SERVICE"
SAME_START_SECONDS = 1.0
LOG_TAIL_LINES = 20
GRACE_SECONDS = 5.0


def log_file(home: Path, name: str) -> Path:
    """Where a service's output goes; that of its run before lies beside it as NAME.previous.log."""
    return home / "logs" / f"{name}.log"


def start(home: Path, name: str, command: Sequence[str], environment: Mapping[str, str]) -> psutil.Process:
    """Start a service in a session of its own (so Ctrl-C in the terminal doesn't reach it); output goes to its log."""
    log = log_file(home, name)
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".previous.log"))
    # setproctitle, which Airflow uses, would overwrite the mark unless SPT_NOENV is set.
    marked = {**environment, MARK: _mark(home, name), "SPT_NOENV": "1"}
    with log.open("wb") as output:
        child = subprocess.Popen(  # noqa: S603  # no shell, the words come from services.py
            command,
            env=marked,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    process = psutil.Process(child.pid)
    file = _pid_file(home, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"pid": process.pid, "started": process.create_time()}))
    return process


def running(home: Path, name: str) -> psutil.Process | None:
    """The service's process, or None when it isn't running (its pid may belong to another program by now)."""
    try:
        record = json.loads(_pid_file(home, name).read_text())
        process = psutil.Process(record["pid"])
        same = abs(process.create_time() - record["started"]) < SAME_START_SECONDS
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None


def members(home: Path, names: Collection[str]) -> list[psutil.Process]:
    """Every live process of these services, however deep; never the caller or its parents."""
    marks = {_mark(home, name) for name in names}
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid not in mine and process.environ().get(MARK) in marks:
                found.append(process)
        except (psutil.Error, OSError):
            continue  # gone meanwhile, a zombie, or another user's
    return found


def stop(home: Path, names: Collection[str], grace_seconds: float = GRACE_SECONDS) -> None:
    """Ask every process of these services to end, and after the grace end those that are left, until none is."""
    while found := members(home, names):
        _signal(found, signal.SIGTERM)
        _, rest = psutil.wait_procs(found, timeout=grace_seconds)
        _signal(rest, signal.SIGKILL)
        psutil.wait_procs(rest, timeout=grace_seconds)
    for name in names:
        _pid_file(home, name).unlink(missing_ok=True)


def log_tail(home: Path, name: str) -> str:
    """The last lines of a service's log; empty when there is none."""
    log = log_file(home, name)
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-LOG_TAIL_LINES:])


def require_free_port(host: str, port: int, owner: str, setting: str) -> None:
    """Stop unless the port can be listened on.

    Raises:
        PurseError: names the port, who needs it and the setting that chooses another.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            variable = f"PURSE_{setting.replace('.', '__').upper()}"
            raise PurseError(
                f"{owner} needs port {port} on {host}, which can't be used ({error.strerror}): "
                f"stop the program that has it, or choose another port with {variable}=NUMBER (setting {setting})."
            ) from None


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the stack's lock, so that two `purse up` or `purse down` never work on one home at a time."""
    file = home / "run" / "lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    with locked(
        file, f"Another 'purse up' or 'purse down' is at work in {home}: wait for it to finish, then try again."
    ):
        yield


def executable(name: str) -> str:
    """The console script of this interpreter's environment, whatever PATH says."""
    return str(Path(sys.executable).with_name(name))


def _mark(home: Path, name: str) -> str:
    return f"{name}@{home}"


def _pid_file(home: Path, name: str) -> Path:
    return home / "run" / f"{name}.json"


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
