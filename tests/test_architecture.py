"""Imports go one way, the generic package names are ours, and nothing below dags/ and the command line asks for now."""

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
PACKAGES = tuple(TOOLS["hatch"]["build"]["targets"]["wheel"]["packages"])
MOST_LINES = 250
NOW = re.compile(r"\b(?:datetime\.now|date\.today|utcnow|time\.time)\(|\bibis\.now\(|Timestamp\.now\(")
MAY_ASK_FOR_NOW = {
    "cli/doctor.py",
    "cli/champion.py",
    "cli/keys.py",
    "cli/trust.py",
    "cli/model.py",
    "cli/steps.py",
    "cli/runner.py",
    "serving/clock.py",
}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_package_name_resolves_to_this_repository(package):
    assert Path(importlib.import_module(package).__file__).parent == ROOT / package


def test_every_list_of_packages_is_that_of_the_wheel():
    assert TOOLS["mypy"]["files"] == list(PACKAGES)
    assert {module.removesuffix(".*") for module in TOOLS["mypy"]["overrides"][1]["module"]} == set(PACKAGES)
    assert set(TOOLS["importlinter"]["root_packages"]) == {*PACKAGES, "benchmarks"}


def test_every_folder_of_code_is_in_the_list():
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert folders == {*PACKAGES, "benchmarks"}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_is_longer_than_250_lines(package):
    long = [path for path in (ROOT / package).rglob("*.py") if len(path.read_text().splitlines()) > MOST_LINES]
    assert long == []


def test_imports_go_one_way():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_time_is_an_argument():
    asking = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        if package != "dags"
        for path in (ROOT / package).rglob("*.py")
        if NOW.search(path.read_text())
    }
    assert asking <= MAY_ASK_FOR_NOW
