"""`purse doctor` finds each fault that is planted in a home, names its command, and finds nothing in a healthy one."""

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from pipelines.lake import tables
from pipelines.results.health import Examined
from pipelines.results.result import read_result
from pipelines.settings import REPOSITORY, Settings
from pipelines.tracking.champion_record import read_record
from pipelines.tracking.runs import connect
from stack.doctor.checks import examine, fix
from stack.doctor.finding import Finding
from tests.serving.servers import free_port
from tests.shops import retrain

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, make_shop: Callable[[Path], Settings]) -> Settings:
    """A shop with a champion."""
    shop = make_shop(tmp_path_factory.mktemp("doctor") / "home").with_changes(
        services__airflow_port=free_port(), services__mlflow_port=free_port(), serving__port=1
    )
    assert retrain(shop).promoted
    for path in (shop.home_path, *shop.home_path.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return shop


@pytest.fixture
def home(trained: Settings, tmp_path: Path) -> Settings:
    """A copy of that shop, in which a fault is planted."""
    tmp_path.chmod(0o700)
    shutil.copytree(trained.home_path, tmp_path / "home")
    return trained.with_changes(home=str(tmp_path / "home"))


def found(settings: Settings, check: str) -> list[Finding]:
    return [finding for finding in examine(settings, NOW) if finding.check == check]


def some_file(settings: Settings, table: str) -> Path:
    return sorted((settings.home_path / "lake" / table).rglob("*.parquet"))[0]


def test_nothing_is_found_in_a_healthy_home(trained):
    assert examine(trained, datetime.now(UTC)) == []


def test_nothing_is_found_in_an_empty_home(settings):
    assert examine(settings, NOW) == []


def test_nothing_is_found_in_a_moved_home(home):
    assert examine(home, datetime.now(UTC)) == []


@pytest.mark.parametrize("size", [0, 100, None])
def test_a_damaged_file_of_a_table_is_set_aside_and_its_day_is_written_again(home, size):
    file = some_file(home, "raw/order_lines")
    file.write_bytes(file.read_bytes()[:size]) if size is not None else file.unlink()
    day = file.parent.name.removeprefix("day=")
    (finding,) = found(home, "tables")
    assert str(file) in finding.problem
    assert f"purse validate --from {day}" in finding.command
    assert fix([finding])
    assert found(home, "tables") == []
    assert day not in {each.isoformat() for each in tables.days(home, "raw/order_lines")}
    assert size is None or file.with_name(f"{file.name}.damaged").exists()


def test_a_damaged_newest_commit_can_be_moved_away(home):
    log = home.home_path / "lake" / "training_sets" / "_delta_log"
    newest = log / "00000000000000000001.json"
    newest.write_text('{"commitInfo": {"times')
    (finding,) = found(home, "tables")
    assert finding.command == f"mv {newest} {newest}.damaged"
    fix([finding])
    assert examine(home, datetime.now(UTC)) == []


def test_a_damaged_first_commit_needs_the_table_again(home):
    commit = home.home_path / "lake" / "training_sets" / "_delta_log" / "00000000000000000000.json"
    commit.write_text("")
    commit.write_text("{")
    (finding,) = found(home, "tables")
    assert finding.fix is None
    assert finding.command == f"rm -r {commit.parent.parent} && purse split"


@pytest.mark.parametrize("name", ["mlflow.db", "optuna.db", "serving/store.db", "champion.json"])
def test_a_damaged_database_or_record_is_named(home, name):
    file = home.home_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"hello " * 1000)
    (finding,) = found(home, "databases")
    assert str(file) in finding.problem
    assert finding.command.startswith(f"mv '{file}' ")
    assert finding.fix is None


def test_a_removed_alias_is_set_again(home):
    connect(home).delete_registered_model_alias(home.mlflow.model_name, "champion")
    (finding,) = found(home, "champion")
    assert "was removed" in finding.problem
    assert finding.command == "purse champion 1"
    fix([finding])
    assert found(home, "champion") == []
    assert read_record(home).version == "1"


def test_a_changed_file_of_the_champion_is_found(home):
    client = connect(home)
    folder = Path(client.get_model_version_download_uri(home.mlflow.model_name, "1"))
    file = folder / "MLmodel"
    file.write_bytes(file.read_bytes() + b"x")
    assert "not_registered_here" in found(home, "champion")[0].problem


def test_lost_files_of_the_champion_are_found(home):
    shutil.rmtree(home.home_path / "mlartifacts" / "models")
    assert found(home, "champion")[0].command == "purse rollback"


def test_a_changed_release_is_found(home):
    folder = home.serving_folder / "releases" / "1-2020-03-29"
    (folder / "model").mkdir(parents=True)
    (folder / "release.json").write_text("{}")
    (folder / "model" / "seal").write_text("0" * 64)
    assert found(home, "releases")[0].command == "purse deploy"


def test_open_files_are_closed(home):
    (home.home_path / "source.txt").write_text("A shop")
    for path in (home.home_path, home.home_path / "source.txt"):
        path.chmod(0o755)
    for parent in home.home_path.parents:
        if parent.name.startswith(("pytest", "popen", "test_")):
            parent.chmod(0o755)
    findings = found(home, "modes")
    fix(findings)
    assert findings
    assert found(home, "modes") == []
    assert home.home_path.stat().st_mode & 0o077 == 0


def test_a_clock_that_jumped_back_is_found(home):
    findings = [one for one in examine(home, NOW - timedelta(days=3)) if one.check == "clock"]
    assert "one of both times is wrong" in findings[0].problem


def test_a_hole_in_the_days_is_found_with_the_command_that_fills_it(home):
    lake = home.home_path / "lake" / "raw" / "order_lines"
    days = [f"day=2020-02-{day}" for day in range(10, 20)]
    for file in lake.rglob("*.parquet"):
        if any(day in str(file) for day in days):
            file.unlink()
    fix(found(home, "tables"))
    (finding,) = found(home, "missing days")
    assert "2020-02-10 to 2020-02-19" in finding.problem
    assert finding.command.startswith("purse ingest --from 2020-02-10 --to 2020-02-20 && ")


def test_a_time_zone_that_does_not_exist_is_found(home, tmp_path):
    text = (REPOSITORY / "conf" / "sources" / "tafeng.yaml").read_text()
    (tmp_path / "source.yaml").write_text(f"{text}\ntimezone: Europe/Atlantis\n")
    (finding,) = found(home.with_changes(source=str(tmp_path / "source.yaml")), "schedules")
    assert "Europe/Atlantis" in finding.problem


def test_the_findings_are_a_result_that_pages_read_and_a_task_is_red(home, monkeypatch):
    config = home.home_path / "purse.yaml"
    config.write_text(json.dumps(home.model_dump(mode="json")))
    config.chmod(0o600)
    monkeypatch.setenv("PURSE_CONFIG", str(config))
    healthy = CliRunner().invoke(app, ["doctor", "--json"])
    assert (healthy.exit_code, json.loads(healthy.stdout)["findings"]) == (0, [])
    connect(home).delete_registered_model_alias(home.mlflow.model_name, "champion")
    ill = CliRunner().invoke(app, ["doctor", "--json"])
    assert ill.exit_code == 1
    assert "purse champion 1" in ill.stderr
    (day,) = {path.parent.name for path in home.home_path.glob("results/*/doctor.json")}
    stored = read_result(home, date.fromisoformat(day), Examined)
    assert [(one.check, one.command) for one in stored.findings] == [("champion", "purse champion 1")]


def test_what_killed_processes_left_is_deleted(home):
    left = home.home_path / "results" / "2020-03-29" / ".train.json.abc"
    left.write_text("{")
    assert found(home, "leftovers") == []  # it may be in use
    os.utime(left, (0, 0))
    fix(found(home, "leftovers"))
    assert not left.exists()


def test_a_result_that_is_no_json_is_found(home):
    (home.home_path / "results" / "2020-03-29" / "train.json").write_text("{")
    assert "step 'train'" in found(home, "results")[0].problem


def test_a_port_that_another_program_took_is_found(home):
    import socket

    (home.home_path / "run").mkdir()
    (home.home_path / "run" / "mlflow.json").write_text("{}")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", home.services.mlflow_port))
        taken.listen()
        assert "PURSE_SERVICES__MLFLOW_PORT=NUMBER" in found(home, "ports")[0].problem


def test_a_schedule_that_is_no_cron_expression_is_found(home):
    assert found(home.with_changes(airflow__ingest_schedule="at two"), "schedules")


def test_a_newer_database_than_the_installed_version_is_found(home):
    (home.home_path / "airflow").mkdir()
    (home.home_path / "airflow" / "database_version").write_text("99.0")
    assert "99.0" in found(home, "versions")[0].problem


def test_a_check_that_fails_is_a_finding(home):
    (home.home_path / "place.txt").unlink()
    (home.home_path / "place.txt").mkdir()
    assert examine(home, NOW)
