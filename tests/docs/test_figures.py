"""Figures in the README agree with the code, the settings, the installer and the benchmarks."""

import re
import tomllib

import pytest

from benchmarks.feature_peers import NAMES
from features.families.behaviour import BEHAVIOUR
from models.level.forecast import CONFIDENCE
from models.predictions import TIERS
from models.score.intervals import COVERAGE
from pipelines import links
from pipelines.settings import REPOSITORY, load_settings

README = (REPOSITORY / "README.md").read_text()
BENCHMARKS = REPOSITORY / "benchmarks"


def test_the_benchmark_computes_the_named_number_of_features():
    behaviour = {feature.name for feature in BEHAVIOUR}
    assert behaviour <= set(NAMES)
    assert f"| {len(NAMES)} features of 20 million events |" in README
    figures = " ".join((BENCHMARKS / "features.md").read_text().split())
    split = f"all {len(behaviour)} of behaviour, {len(NAMES) - len(behaviour)} of orders"
    assert f"the same {len(NAMES)} features ({split};" in figures


def test_addresses_are_those_of_the_settings():
    settings = load_settings()
    airflow = links.airflow_url(settings).removeprefix("http://")
    live, mlflow = (f"{settings.services.host}:{p}" for p in (settings.serving.port, settings.services.mlflow_port))
    assert re.findall(r"\(http://([\w.]+:\d+)\b", README) == [live, airflow, mlflow]


def test_needs_are_those_of_the_installer():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11,<3.13"
    needed_gb = re.search(r"^needed_gb=(\d+)$", (REPOSITORY / "scripts" / "install.sh").read_text(), re.MULTILINE)[1]
    assert f"You need Python 3.11 or 3.12, make, and about {needed_gb} GB of free disk" in " ".join(README.split())


def test_tiers_and_intervals_are_those_of_the_scores():
    text = " ".join(README.split())
    assert COVERAGE == CONFIDENCE
    assert f"an {COVERAGE:.0%} interval".replace("%", " %") in text
    assert f"a tier ({', '.join(f'`{tier}`' for tier in TIERS)})" in text


@pytest.mark.parametrize(
    "row", ["Ta-Feng, 28 days", "CDNOW, 273 days", "`make demo` after", "a user's score", "74 features"]
)
def test_a_measured_figure_is_that_of_the_benchmarks(row):
    (shown,) = re.findall(rf"^\| {re.escape(row)}.*?\|(.*)\|$", README, re.MULTILINE)
    (recorded,) = re.findall(rf"^\| {re.escape(row)}.*?\|(.*)\|$", (BENCHMARKS / "README.md").read_text(), re.MULTILINE)
    figures = r"[+\u2212]?\.?\d[\d.]*"
    assert re.findall(figures, shown)
    assert [figure for figure in re.findall(figures, shown) if figure not in re.findall(figures, recorded)] == []
