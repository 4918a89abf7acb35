"""A home in which every step has run, made once for all tests of this folder."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.settings import REPOSITORY

SHOP = Path(__file__).with_name("shop.py")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `home`, and the `output` of each step; the workers that run the tests share it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if base.name.startswith("popen-") else base) / "finished-shop"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir()
            command = [sys.executable, str(SHOP), str(folder)]
            done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    return folder
