"""Start, find and stop the background processes of the embedded stack, and no other process.

Two marks identify our processes. The file `<home>/run/<name>.json` has a service's pid and start time, so that a
reused pid is never mistaken for the service. Every process has `PURSE_SERVICE=<name>@<home>` in its environment and
passes it on to its children, so that workers that left their session or outlived their parent are found as well.
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
from pipelines.files import locked, write_atomically
from pipelines.private import UMASK, close

MARK = "PURSE_SERVICE"
SAME_START_SECONDS = 1.0
LOG_TAIL_LINES = 20
GRACE_SECONDS = 5.0


def log_file(home: Path, name: str) -> Path:
    """Log file of a service; the log of its previous run is NAME.previous.log beside it."""
    return home / "logs" / f"{name}.log"


def start(home: Path, name: str, command: Sequence[str], environment: Mapping[str, str]) -> psutil.Process:
    """Start a service in its own session, so that Ctrl-C doesn't reach it; its output goes to its log."""
    log = log_file(home, name)
    log.parent.mkdir(parents=True, exist_ok=True)
    close(home)
    if log.exists():
        log.replace(log.with_suffix(".previous.log"))
    log.touch(mode=0o600)
    # setproctitle, which Airflow uses, would overwrite the mark unless SPT_NOENV is set.
    marked = {**environment, MARK: _mark(home, name), "SPT_NOENV": "1"}
    with log.open("wb") as output:
        child = subprocess.Popen(  # noqa: S603  # no shell, the command comes from services.py
            command,
            env=marked,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=UMASK,
        )
    process = psutil.Process(child.pid)
    file = _pid_file(home, name)
    record = {"pid": process.pid, "started": process.create_time(), "home": str(home.resolve())}
    write_atomically(file, json.dumps(record).encode())
    return process


def running(home: Path, name: str) -> psutil.Process | None:
    """Process of the service; None if it isn't running (another program may have its pid now)."""
    try:
        record = json.loads(_pid_file(home, name).read_text())
        process = psutil.Process(record["pid"])
        same = abs(process.create_time() - record["started"]) < SAME_START_SECONDS
        same &= record.get("home") in (None, str(home.resolve()))  # a copy of a running home has its records
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
        return None


def died(home: Path, name: str) -> bool:
    """Whether a service ended without `stop`, with all its descendants, as in a power cut."""
    return _pid_file(home, name).exists() and running(home, name) is None and not members(home, [name])


def members(home: Path, names: Collection[str]) -> list[psutil.Process]:
    """All live processes of these services and their descendants; never the caller or its parents."""
    marks = {_mark(home, name) for name in names}
    callers = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    processes = []
    for process in psutil.process_iter():
        try:
            if process.pid not in callers and process.environ().get(MARK) in marks:
                processes.append(process)
        except (psutil.Error, OSError):
            continue  # ended, a zombie, or another user's process
    return processes


def stop(home: Path, names: Collection[str], grace_seconds: float = GRACE_SECONDS) -> None:
    """Terminate all processes of these services; kill them after the grace period; repeat until none is left."""
    while alive := members(home, names):
        _signal(alive, signal.SIGTERM)
        _, remaining = psutil.wait_procs(alive, timeout=grace_seconds)
        _signal(remaining, signal.SIGKILL)
        psutil.wait_procs(remaining, timeout=grace_seconds)
    for name in names:
        _pid_file(home, name).unlink(missing_ok=True)


def log_tail(home: Path, name: str) -> str:
    """Last lines of a service's log; empty without a log."""
    log = log_file(home, name)
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-LOG_TAIL_LINES:])


def require_free_port(host: str, port: int, owner: str, setting: str) -> None:
    """Raise unless a service can listen on the port.

    Raises:
        PurseError: the port is not free; the message names the service and the setting for another port.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            variable = f"PURSE_{setting.replace('.', '__').upper()}"
            raise PurseError(
                f"{owner} needs port {port} on {host}, which can't be used ({error.strerror}). "
                f"Stop the program that uses it, or choose another port with {variable}=NUMBER (setting {setting})."
            ) from None


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the stack's lock, so that only one `purse up` or `purse down` changes a home at a time.

    Raises:
        PurseError: another process holds the lock.
    """
    file = home / "run" / "lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    with locked(
        file, f"Another 'purse up' or 'purse down' is running in {home}: wait for it to finish, then try again."
    ):
        yield


def executable(name: str) -> str:
    """Console script in this interpreter's environment, regardless of PATH."""
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
