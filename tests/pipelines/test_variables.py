"""A variable that begins with PURSE_ names a setting, belongs to Purse, or stops the command."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.errors import PurseError
from pipelines.settings import Settings, load_settings
from pipelines.variables import OWN, require_known

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("PURSE_SWEEEP__TRIALS", "PURSE_SWEEP__TRIALS"),
        ("PURSE_SWEEP_TRIALS", "PURSE_SWEEP__TRIALS"),
        ("PURSE_SWEEP__TRIALZ", "PURSE_SWEEP__TRIALS"),
        ("purse_hom", "PURSE_HOME"),
        ("PURSE_CONFG", "PURSE_CONFIG"),
    ],
)
def test_an_unknown_variable_is_an_error_with_the_nearest_name(name, nearest):
    with pytest.raises(PurseError, match=f"{name}: did you mean {nearest}\\?"):
        require_known(Settings, {name: "4", "PATH": "/bin"})


@pytest.mark.parametrize(
    "name",
    [
        *OWN,
        "PURSE_HOME",
        "purse_sweep__trials",
        "PURSE_SWEEP",
        "PURSE_SPARK__OPTIONS__spark.executor.memory",
        "PURSE_SERVICE_HOST",
        "PURSE_PORT_8000_TCP_ADDR",
        "PURSE_MLFLOW_SERVICE_PORT_HTTP",
        "PURSE_MLFLOW_PORT",
        "SHOP_PURSE_KEY",
    ],
)
def test_known_variables_pass(name):
    require_known(Settings, {name: "x"})


def test_a_command_with_a_misspelt_variable_stops(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "split"],
        env=os.environ | {"PURSE_HOME": str(tmp_path / "home"), "PURSE_SWEEEP__TRIALS": "4"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "PURSE_SWEEEP__TRIALS: did you mean PURSE_SWEEP__TRIALS?" in done.stderr
    assert not (tmp_path / "home").exists()


def test_every_variable_that_a_file_of_the_project_sets_is_known():
    """Compose, the image, the scripts, the CI and the guides set variables that must not stop a command."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    ends = (".yml", ".yaml", ".sh", ".md", ".py", "file")
    files = [name for name in listed if not name.startswith("tests/") and name.endswith(ends)]
    text = "\n".join((ROOT / name).read_text() for name in files)
    names = set(re.findall(r"\bPURSE_[A-Z0-9_]*[A-Z0-9]\b(?![_$*])", text))
    assert len(names) > 20
    require_known(Settings, dict.fromkeys(names - {"PURSE_SWEEEP__TRIALS"}, "x"))


def test_load_settings_checks_the_environment(monkeypatch):
    monkeypatch.setenv("PURSE_HORIZN_DAYS", "30")
    with pytest.raises(PurseError, match="PURSE_HORIZN_DAYS: did you mean PURSE_HORIZON_DAYS"):
        load_settings()
