"""What Purse writes, only its owner can read, whatever the umask of the shell is."""

import configparser
import os
import shlex
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pipelines import private
from pipelines.settings import REPOSITORY, Settings, load_settings
from stack import airflow_home, processes
from tests.serving.servers import free_port

PURSE = Path(sys.executable).with_name("purse")


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody on the machine can enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def open_home(open_folder: Path) -> Settings:
    """A home as a version before this one left it."""
    home = open_folder / "home"
    (home / "lake").mkdir(parents=True)
    (home / "lake" / "part.parquet").write_text("ids")
    return load_settings().with_changes(home=str(home))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_no_file_of_a_home_is_open_after_all_steps(finished):
    files = [path for path in (finished / "home").rglob("*") if path.is_file()]
    assert len(files) > 200
    assert list(private.open_files(finished / "home")) == []
    assert mode(finished / "home") == 0o700


def test_what_a_command_writes_elsewhere_is_private_too(finished):
    assert mode(finished / "expectations" / "shop" / "users.yaml") == 0o600


def test_a_command_closes_the_home_of_an_earlier_version(open_home):
    environment = {**os.environ, "PURSE_HOME": str(open_home.home_path)}
    done = subprocess.run([PURSE, "status", "--json"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert mode(open_home.home_path) == 0o700
    assert '"warnings": []' in done.stdout


def test_a_service_and_its_log_are_private(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    code = "import pathlib; pathlib.Path('made').write_text(''); print('done', flush=True)"
    processes.start(home, "service", [sys.executable, "-c", code], dict(os.environ)).wait()
    assert mode(home) == 0o700
    assert mode(home / "made") == mode(processes.log_file(home, "service")) == 0o600


def test_the_live_service_started_by_itself_is_private(open_folder):
    home, port = open_folder / "home", free_port()
    home.mkdir()
    environment = {**os.environ, "PURSE_HOME": str(home), "PURSE_SERVING__PORT": str(port)}
    command = [sys.executable, "-m", "serving"]
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=subprocess.DEVNULL) as service:
        until = time.monotonic() + 60
        while not _healthy(port):
            assert time.monotonic() < until
            time.sleep(0.1)
        service.terminate()
    assert (home / "serving").is_dir()
    assert list(private.open_files(home)) == []


def _healthy(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).is_success
    except httpx.TransportError:
        return False


def test_airflow_writes_private_logs(tmp_path):
    settings = load_settings().with_changes(home=str(tmp_path / "home"))
    airflow_home.prepare(settings)
    config = configparser.RawConfigParser()
    config.read(settings.home_path / "airflow" / "airflow.cfg")
    assert config["logging"]["file_task_handler_new_folder_permissions"] == "0o700"
    assert config["logging"]["file_task_handler_new_file_permissions"] == "0o600"
    assert mode(settings.home_path) == mode(settings.home_path / "secrets") == 0o700


def test_the_warning_about_an_open_home_ends_with_the_command_that_closes_it(open_home):
    (warning,) = private.warnings(open_home)
    assert f"can enter {open_home.home_path}, such as lake, lake/part.parquet" in warning
    subprocess.run(shlex.split(warning.split("'")[1]), check=True)
    assert private.warnings(open_home) == []
    assert list(private.open_files(open_home.home_path)) == []


def test_a_home_behind_a_closed_folder_is_not_open(open_home, open_folder):
    open_folder.chmod(0o700)
    assert private.warnings(open_home) == []


def test_a_parent_that_others_may_write_to_is_a_hole(open_home, open_folder):
    private.close(open_home.home_path)
    open_folder.chmod(0o777)
    (warning,) = private.warnings(open_home)
    assert warning.startswith(f"Others may replace {open_home.home_path}, as they may write to {open_folder}.")
    subprocess.run(shlex.split(warning.split("'")[1]), check=True)
    assert private.warnings(open_home) == []


def test_a_lake_outside_the_home_is_checked_too(open_home, open_folder):
    private.close(open_home.home_path)
    (open_folder / "lake").mkdir()
    (warning,) = private.warnings(open_home.with_changes(lake_root=str(open_folder / "lake")))
    assert warning == (
        f"Others on this machine can enter {open_folder / 'lake'}. Close it with 'chmod -R go= {open_folder / 'lake'}'."
    )
    assert private.warnings(open_home.with_changes(lake_root="s3://bucket/lake")) == []


def test_a_link_out_of_the_home_is_not_followed(open_home, open_folder):
    (open_folder / "outside").write_text("")
    (open_home.home_path / "link").symlink_to(open_folder)
    assert open_folder / "outside" not in set(private.open_files(open_home.home_path))
    assert all(path.is_relative_to(open_home.home_path) for path in private.open_files(open_home.home_path))
