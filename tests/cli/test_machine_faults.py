"""Faults of the machine, made for real: one sentence names the file and the way out, in every command."""

import errno
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from cli import main
from pipelines.errors import PurseError
from pipelines.faults import explain
from pipelines.ingest.step import ingest
from pipelines.lake import tables
from pipelines.results.result import write_result
from pipelines.settings import Settings
from tests import samples

ROOT = pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="mounts a small disk")
DAY = date(2024, 1, 1)
ORDERS = """title: A shop
tables:
  order_lines:
    from: {files: orders.csv}
    columns: {order_id: id, product_id: "'p'", line: "1", user_id: u, ordered_at: day, quantity: "1",
              unit_price: CAST(amount AS DOUBLE), amount: CAST(amount AS DOUBLE)}
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty disk of 300 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)], check=False)
    if done.returncode != 0:
        pytest.skip("this machine refuses mounts")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def shop_settings(tmp_path: Path, settings: Settings) -> Settings:
    source = tmp_path / "shop.yaml"
    source.write_text(ORDERS)
    lines = [f"o{number},u{number % 50},2024-01-0{1 + number % 5},{number}.5" for number in range(20_000)]
    (tmp_path / "orders.csv").write_text("id,u,day,amount\n" + "\n".join(lines))
    return settings.with_changes(source=str(source))


def sentence(settings: Settings, action, *arguments) -> str:
    """What the command line says of the error that an action ends in."""
    with pytest.raises(BaseException) as raised:  # noqa: PT011  # whatever a library raises
        action(*arguments)
    message = explain(settings, raised.value) or (str(raised.value) if isinstance(raised.value, PurseError) else None)
    assert message is not None, repr(raised.value)
    return message


def write(settings: Settings, days: int = 3) -> None:
    rows = [{"day": date(2024, 1, day), "user_id": f"u{number}"} for day in range(1, days + 1) for number in range(50)]
    tables.replace(settings, "raw/order_lines", pa.Table.from_pylist(rows), "day", DAY, date(2024, 2, 1))


def read(settings: Settings):
    return tables.read(tables.connect(), settings, "raw/order_lines").to_pandas()


@ROOT
def test_a_full_disk_of_the_home_is_not_blamed_on_the_source(shop_settings, small_disk):
    full = shop_settings.with_changes(home=str(small_disk / "home"))
    message = sentence(full, ingest, full)
    assert re.match(rf"The disk of {small_disk}\S* is full \(\d+ MB free\). Free space there and run", message)
    assert "encoding" not in message


@ROOT
def test_a_full_disk_under_a_result_a_table_and_a_database(settings, small_disk):
    from pipelines.retraining.study.study import open_sweep

    full = settings.with_changes(home=str(small_disk / "home"))
    (small_disk / "home").mkdir()
    with (small_disk / "filler").open("wb") as file, pytest.raises(OSError, match="No space"):
        file.write(b"0" * 1_000_000)
    for action in (
        lambda: write_result(full, DAY, samples.split()),
        lambda: write(full),
        lambda: open_sweep(full, "2024-01-01-1"),
    ):
        assert f"The disk of {small_disk}" in sentence(full, action)


@ROOT
def test_a_read_only_disk_is_named(settings, small_disk):
    home = settings.with_changes(home=str(small_disk / "home"))
    write(home, days=1)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for action in (lambda: write_result(home, DAY, samples.split()), lambda: write(home)):
        assert "its disk is read-only. Mount it for writing" in sentence(home, action)
    assert len(read(home)) == 50


def test_a_folder_without_permission_names_its_owner(settings):
    error = PermissionError(errno.EACCES, "Permission denied", str(settings.home_path / "results" / "x.json"))
    message = explain(settings, error)
    assert f"{settings.home_path / 'results' / 'x.json'} can't be opened" in message
    assert "chmod u+rwX" in message


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more", None])
def test_a_damaged_file_of_a_table_is_named_with_the_command(settings, content):
    write(settings)
    file = sorted(Path(settings.lake).rglob("day=2024-01-02/*.parquet"))[0]
    file.write_bytes(content) if content is not None else file.unlink()
    message = sentence(settings, read, settings)
    assert f"The table 'raw/order_lines' is damaged: {file} " in message
    assert "purse doctor --fix && purse validate --from 2024-01-02 --to 2024-01-03" in message


def test_a_damaged_commit_is_named_with_the_command(settings):
    write(settings, 1)
    write(settings, 2)
    commit = sorted(Path(settings.lake).rglob("_delta_log/*.json"))[-1]
    commit.write_bytes(commit.read_bytes()[:100])
    assert f"'mv {commit} {commit}.damaged'" in sentence(settings, read, settings)
    commit.rename(f"{commit}.damaged")
    assert len(read(settings)) == 50


@pytest.mark.parametrize("name", ["optuna.db", "mlflow.db"])
def test_a_damaged_database_is_named(settings, name):
    from pipelines.retraining.study.study import open_sweep
    from pipelines.tracking.runs import connect

    settings.home_path.mkdir()
    (settings.home_path / name).write_bytes(b"no database " * 500)
    action = (lambda: open_sweep(settings, "x")) if name == "optuna.db" else (lambda: connect(settings))
    message = sentence(settings, action)
    assert str(settings.home_path / name) in message
    assert f"mv {settings.home_path / name}" in message.replace("'", "")


def test_too_little_memory_names_the_setting(settings):
    def query() -> None:
        connection = duckdb.connect(config={"memory_limit": "1MB", "temp_directory": ""})
        connection.sql("SELECT list(range) FROM range(10000000)").fetchall()

    assert "PURSE_MEMORY" in sentence(settings, query)


def test_too_many_open_files_names_the_limit(settings):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 2, hard))
    try:
        held: list[int] = []
        with pytest.raises(OSError, match="Too many") as raised:
            held.extend(os.dup(0) for _ in range(10_000))
    finally:
        for handle in held:
            os.close(handle)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "ulimit -n" in explain(settings, raised.value)


def test_a_fault_of_purse_is_no_fault_of_the_machine(settings):
    for error in (ZeroDivisionError("1/0"), KeyError("delta"), FileNotFoundError(2, "No such file", "/x")):
        assert explain(settings, error) is None
    assert explain(settings, PurseError("The column is missing.")) is None


def test_the_command_line_says_it_and_shows_no_traceback(settings, monkeypatch, capsys):
    write(settings)
    file = sorted(Path(settings.lake).rglob("*.parquet"))[0]
    file.unlink()
    monkeypatch.setenv("PURSE_HOME", str(settings.home_path))
    monkeypatch.setattr(sys, "argv", ["purse", "build-features", "--snapshot-date", "2024-01-04"])
    monkeypatch.setattr(main, "app", lambda: read(settings))
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    assert f"Error: The table 'raw/order_lines' is damaged: {file} is missing" in capsys.readouterr().err
