"""A disk that is full under the live service: one sentence, reads go on, nothing acknowledged is lost."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import stand_in
from tests.serving.conftest import DAY

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a disk")

EVENT = {"user_id": "ann", "occurred_at": f"{DAY}T00:00:01", "event_type": "search"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], check=False).returncode:
        pytest.skip("this machine refuses mounts")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def client(disk: Path, home, serve):
    """A service whose home is on that disk."""
    settings = home.with_changes(home=str(disk / "home"))
    stand_in.champion(settings, "1", DAY)
    return serve(settings)


def send(client, number: int, **changes):
    """Post some events that need new pages of the store."""
    rows = [{**EVENT, "event_id": f"{number}-{row}", "query": "x" * 200, **changes} for row in range(100)]
    return client.post("/v1/events", json={"events": rows})


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"0" * 4096):
            pass
    yield
    filler.unlink()


def test_rows_are_refused_while_the_disk_is_full_and_taken_when_there_is_space(client, disk):
    assert send(client, 1).json()["accepted"] == 100
    with full(disk):
        refused = [send(client, number) for number in range(2, 12)]
        assert refused[-1].status_code == 503
        assert "Free disk space" in refused[-1].json()["error"]
        assert client.get("/v1/users/ann/score").status_code == 200
        assert client.get("/readyz").status_code == 200
    acknowledged = [1, *(2 + number for number, answer in enumerate(refused) if answer.status_code == 202)]
    assert all(send(client, number).json()["duplicates"] == 100 for number in acknowledged)
    assert send(client, 11).json()["accepted"] == 100


def test_a_conflict_is_refused_although_it_cannot_be_recorded(client, disk):
    assert send(client, 1).status_code == 202
    with full(disk):
        answer = send(client, 1, query="y")
        assert answer.status_code in (409, 503)
        assert client.get("/v1/users/ann/score").status_code == 200
    assert send(client, 1, query="y").status_code == 409
    assert send(client, 1).json()["duplicates"] == 100
