"""Real servers for the tests, on free loopback ports and in temporary folders."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

START_SECONDS = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(true: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, f"{what} not after {seconds} s"
        time.sleep(0.02)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def redis_server(*options: str) -> Iterator[str]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed: run 'make services-for-tests'")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="purse-redis-") as folder:
        words = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", *options]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
            try:
                wait_until(lambda: answers(port), "redis-server answers")
                yield f"redis://127.0.0.1:{port}"
            finally:
                process.kill()


@contextmanager
def postgres_server() -> Iterator[str]:
    """Postgres refuses to run as root: as root it runs as the user that its package made."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs and shutil.which("initdb") is None:
        pytest.skip("postgres is not installed: run 'make services-for-tests'")
    folder = programs[-1] if programs else Path(str(shutil.which("initdb"))).parent
    user = "postgres" if os.getuid() == 0 else None
    data, port = Path(tempfile.mkdtemp(prefix="purse-postgres-")), free_port()
    try:
        if user:
            shutil.chown(data, user)
        create = [folder / "initdb", "--pgdata", data, "--username", "purse", "--auth", "trust", "--no-sync"]
        subprocess.run(create, check=True, user=user, cwd=data, stdout=subprocess.DEVNULL)
        words = [folder / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", data]
        with subprocess.Popen(words, user=user, cwd=data, stderr=subprocess.DEVNULL) as process:
            try:
                ready = [folder / "pg_isready", "--quiet", "--host", "127.0.0.1", "--port", str(port)]
                wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, "postgres answers")
                yield f"postgresql://purse@127.0.0.1:{port}/postgres"
            finally:
                process.terminate()
    finally:
        shutil.rmtree(data)
