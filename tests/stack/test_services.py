import configparser
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipelines.errors import PurseError
from stack import airflow_home, processes, services

# Starts a grandchild in a session of its own, says its pid, and ends: the grandchild is an orphan.
ORPHAN = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print(child.pid, flush=True)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


def start(home: Path, name: str, code: str) -> psutil.Process:
    home.mkdir(exist_ok=True)
    return processes.start(home, name, [sys.executable, "-c", code], dict(os.environ))


def said(home: Path, name: str) -> str:
    """The first line of a service's log."""
    until = time.monotonic() + 10
    while not (text := processes.log_file(home, name).read_text()).endswith("\n") and time.monotonic() < until:
        time.sleep(0.02)
    return text.strip()


def test_stop_finds_an_orphan_in_another_session(tmp_path):
    start(tmp_path, "service", ORPHAN)
    orphan = psutil.Process(int(said(tmp_path, "service")))
    processes.stop(tmp_path, ["service"])
    assert not orphan.is_running()


def test_stop_ends_what_ignores_the_request(tmp_path):
    process = start(tmp_path, "service", STUBBORN)
    assert said(tmp_path, "service") == "ready"
    processes.stop(tmp_path, ["service"], grace_seconds=0.2)
    assert not process.is_running()
    assert processes.running(tmp_path, "service") is None


def test_stop_leaves_other_services_and_other_homes_alone(tmp_path):
    other_home = tmp_path / "other"
    kept = [start(tmp_path, "kept", "import time; time.sleep(60)"), start(other_home, "service", STUBBORN)]
    start(tmp_path, "service", "import time; time.sleep(60)")
    processes.stop(tmp_path, ["service"])
    assert all(process.is_running() for process in kept)
    processes.stop(tmp_path, ["kept"])
    processes.stop(other_home, ["service"], grace_seconds=0.2)


def test_a_recycled_pid_is_not_the_service(tmp_path):
    with subprocess.Popen(["sleep", "60"]) as stranger:
        process = start(tmp_path, "service", "pass")
        process.wait()
        record = {"pid": stranger.pid, "started": psutil.Process(stranger.pid).create_time() - 3600}
        (tmp_path / "run" / "service.json").write_text(json.dumps(record))
        assert processes.running(tmp_path, "service") is None
        processes.stop(tmp_path, ["service"])
        assert stranger.poll() is None
        stranger.kill()


def test_a_copy_of_a_running_home_runs_nothing(tmp_path):
    original, copied = tmp_path / "original", tmp_path / "copied"
    start(original, "service", "import time; time.sleep(60)")
    shutil.copytree(original, copied)
    assert processes.running(original, "service") is not None
    assert processes.running(copied, "service") is None
    processes.stop(copied, ["service"])
    assert processes.running(original, "service") is not None
    processes.stop(original, ["service"])


def test_a_log_keeps_the_run_before(tmp_path):
    for word in ("first", "second"):
        start(tmp_path, "service", f"print({word!r})").wait()
    log = processes.log_file(tmp_path, "service")
    assert log.read_text() == "second\n"
    assert log.with_suffix(".previous.log").read_text() == "first\n"


def test_up_names_the_taken_port_and_its_setting_and_starts_nothing(settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        busy = settings.with_changes(services__airflow_port=port, services__mlflow_port=0)
        with pytest.raises(PurseError, match=rf"port {port} .*PURSE_SERVICES__AIRFLOW_PORT=NUMBER"):
            services.up(busy)
    assert not any(services.status(busy)["services"].values())


def test_up_at_the_same_time_is_refused(settings):
    with processes.only_one(settings.home_path), pytest.raises(PurseError, match="wait for it to finish"):
        services.up(settings)


def test_down_without_services_does_nothing(settings):
    assert services.down(settings) == {"stopped": []}


def test_an_mlflow_elsewhere_is_not_started_here(settings):
    elsewhere = settings.with_changes(mlflow__tracking_uri="http://mlflow.shop:5000")
    assert "mlflow" not in services.status(elsewhere)["services"]
    assert airflow_home.environment(elsewhere)["PURSE_MLFLOW__TRACKING_URI"] == "http://mlflow.shop:5000"


def test_secrets_are_for_the_owner_only_and_kept(settings):
    airflow_home.prepare(settings)
    folder = settings.home_path / "secrets"
    before = {file.name: file.read_text() for file in folder.iterdir()}
    airflow_home.prepare(settings)
    assert {file.name: file.read_text() for file in folder.iterdir()} == before
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    assert len(set(before.values())) == len(before) == 4


def test_airflow_is_told_to_stay_on_loopback_and_holds_no_secret(settings):
    airflow_home.prepare(settings)
    file = settings.home_path / "airflow" / "airflow.cfg"
    config = configparser.ConfigParser()
    config.read(file)
    assert config["api"]["host"] == "127.0.0.1"
    assert config["core"]["load_examples"] == "False"
    secrets = [*(f.read_text() for f in (settings.home_path / "secrets").iterdir()), airflow_home.login(settings)[1]]
    assert not any(secret in file.read_text() for secret in secrets)


def test_a_path_with_a_percent_sign_reaches_airflow(tmp_path, settings):
    home = settings.with_changes(home=str(tmp_path / "100% shop"))
    airflow_home.prepare(home)
    config = configparser.ConfigParser()
    config.read(tmp_path / "100% shop" / "airflow" / "airflow.cfg")
    assert config["database"]["sql_alchemy_conn"] == f"sqlite:///{tmp_path}/100% shop/airflow/airflow.db"


def test_the_environment_has_no_foreign_airflow_and_ours_first(settings, monkeypatch):
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://production")
    environment = airflow_home.environment(settings)
    assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" not in environment
    assert environment["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert environment["PURSE_HOME"] == str(settings.home_path)


def test_login_before_the_first_start_says_what_to_do(settings):
    with pytest.raises(PurseError, match="Run 'purse up' first"):
        airflow_home.login(settings)


def test_logs_of_an_unknown_service_names_the_known(settings):
    with pytest.raises(PurseError, match="mlflow, api-server, dag-processor, serving, scheduler"):
        services.logs(settings, "webserver")
