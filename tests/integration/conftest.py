"""The embedded stack on free ports, in a home of its own, with a cut of Ta-Feng as its source."""

import csv
import io
import socket
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml

from pipelines.settings import REPOSITORY, Settings, load_settings
from stack import processes, services

EVERY = 20  # one user in so many
SMALL = {
    "PURSE_SWEEP__FAMILIES": '["linear_rfm", "lightgbm_tweedie"]',
    "PURSE_SWEEP__TRIALS": "4",
    "PURSE_SWEEP__SECONDS": "30",
    "PURSE_SNAPSHOTS__MAX_TRAINING": "4",
    "PURSE_PROMOTION__BOOTSTRAP_SAMPLES": "50",
    "PURSE_PROMOTION__MIN_SLICE_USERS": "200",
    "PURSE_AIRFLOW__RETRIES": "0",
}


def cut_of_tafeng(folder: Path) -> Path:
    """Every twentieth user's lines as a CSV file, with the source file that reads it."""
    origin = yaml.safe_load((REPOSITORY / "conf" / "sources" / "tafeng.yaml").read_text())
    package = origin["tables"]["order_lines"]["from"]
    with zipfile.ZipFile(str(distribution(package["package"]).locate_file(package["file"]))) as archive:
        text = archive.read(archive.namelist()[0]).decode("utf-8-sig")
    rows = csv.reader(io.StringIO(text))
    header = next(rows)
    user = header.index("CUSTOMER_ID")
    with (folder / "orders.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(row for row in rows if int(row[user]) % EVERY == 0)
    for table in origin["tables"].values():
        table["from"] = {"files": str(folder / "orders.csv")}
    source = folder / "cut.yaml"
    source.write_text(yaml.safe_dump({**origin, "title": "A cut of Ta-Feng"}))
    return source


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The settings of a running stack; afterwards it is stopped."""
    folder = tmp_path_factory.mktemp("stack")
    environment = {
        **SMALL,
        "PURSE_SOURCE": str(cut_of_tafeng(folder)),
        "PURSE_HOME": str(folder / "home"),
        "PURSE_SERVICES__AIRFLOW_PORT": str(free_port()),
        "PURSE_SERVICES__MLFLOW_PORT": str(free_port()),
        "PURSE_SERVING__PORT": str(free_port()),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        settings = load_settings()
        services.up(settings)
    yield settings
    services.down(settings)
    names = list(services.status(settings)["services"])
    assert processes.members(settings.home_path, names) == []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
