"""The engine's process: answers as the engine does, tells of its death, and does not outlive the service."""

import os
import signal
import subprocess
import sys
from concurrent.futures import wait
from contextlib import suppress
from pathlib import Path

import pytest

from pipelines.errors import PurseError
from serving.engine.engine import Engine
from serving.engine.process import EngineProcess, EngineStoppedError
from tests.serving.releases import SNAPSHOT, day, make_release, random_shop, small_model
from tests.serving.servers import wait_until

SERVICE = """
import sys, time
from pathlib import Path
from serving.engine.process import EngineProcess

if __name__ == "__main__":
    process = EngineProcess.open(Path(sys.argv[1]), Path(sys.argv[1]).parent)
    print(*process._pool._processes, flush=True)
    time.sleep(600)
"""


PREPARING = """
import sys
from pathlib import Path
from serving.engine import engines
from tests.serving import stand_in

if __name__ == "__main__":
    engines.prepare = stand_in.prepare_for_long
    engines.prepare_apart(None, Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_release(tmp_path_factory.mktemp("releases") / "7", random_shop(), small_model())


def test_the_process_answers_as_the_engine_does_and_its_death_is_told(folder):
    engine, process = Engine.open(folder, folder.parent), EngineProcess.open(folder, folder.parent)
    assert process.release == engine.release
    asked = [process.score({}, day(1), [f"u{n}"]) for n in range(3)]
    wait(asked)
    for n, told in enumerate(asked):
        assert told.result().equals(engine.score({}, day(1), [f"u{n}"]))
    with pytest.raises(ValueError, match="the history ends there"):
        process.score({}, day(-1), ["u1"]).result()
    os.kill(next(iter(process._pool._processes)), signal.SIGKILL)
    with pytest.raises(EngineStoppedError, match="is being restarted"):
        process.score({}, SNAPSHOT, ["u1"]).result()
    with pytest.raises(EngineStoppedError):
        process.canary().result()
    process.close()


def test_a_release_that_cannot_be_read_is_an_error_of_the_caller(tmp_path):
    with pytest.raises(PurseError, match="cannot be read"):
        EngineProcess.open(tmp_path, tmp_path)


@pytest.mark.parametrize("program", [SERVICE, PREPARING], ids=["scoring", "preparing"])
def test_the_process_ends_with_a_service_that_is_killed(folder, tmp_path: Path, program: str):
    script = tmp_path / "service.py"
    script.write_text(program)
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen(
        [sys.executable, str(script), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as service:
        assert service.stdout is not None
        worker = int(service.stdout.readline())
        service.send_signal(signal.SIGKILL)
    try:
        wait_until(lambda: not Path(f"/proc/{worker}").exists(), "the process has ended", seconds=10)
    finally:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
