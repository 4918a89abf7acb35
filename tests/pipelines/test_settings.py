"""Settings come from the defaults, then a file, then the environment; what doesn't fit stops the run."""

import traceback

import pytest
import yaml

from pipelines.errors import PurseError
from pipelines.settings import DEFAULTS, load_settings


def test_a_file_and_then_the_environment_override_the_defaults(tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text("horizon_days: 90\nsweep: {trials: 5}\n")
    monkeypatch.setenv("PURSE_CONFIG", str(tmp_path / "mine.yaml"))
    monkeypatch.setenv("PURSE_SWEEP__SECONDS", "7")
    settings = load_settings()
    assert (settings.horizon_days, settings.sweep.trials, settings.sweep.seconds) == (90, 5, 7)
    assert settings.sweep.workers == yaml.safe_load(DEFAULTS.read_text())["sweep"]["workers"]


@pytest.mark.parametrize(
    ("content", "message"),
    [("sweep: {trialz: 5}", "sweep.trialz: Extra inputs"), ("horizon_days: soon", "horizon_days: (.*)found 'soon'")],
)
def test_what_does_not_fit_is_named(tmp_path, monkeypatch, content, message):
    (tmp_path / "mine.yaml").write_text(content)
    monkeypatch.setenv("PURSE_CONFIG", str(tmp_path / "mine.yaml"))
    with pytest.raises(PurseError, match=message):
        load_settings()


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("mlflow: {tracking_uri: ['http://purse:s3cret@mlflow:5000']}", "found ['http://purse:***@mlflow:5000']"),
        ("mlflow: http://purse:s3cret@mlflow:5000", "http://purse:***@mlflow:5000"),
        ("mlflow: {password: s3cret}", "mlflow.password: Extra inputs are not permitted (found a value that is left"),
        ("login: {password: s3cret}", "login: Extra inputs are not permitted (found a map of password)"),
        ("serving: {keys: sometimes}", "found 'sometimes'"),
    ],
)
def test_a_secret_in_a_rejected_value_is_not_shown(tmp_path, monkeypatch, content, shown):
    (tmp_path / "mine.yaml").write_text(content)
    monkeypatch.setenv("PURSE_CONFIG", str(tmp_path / "mine.yaml"))
    with pytest.raises(PurseError) as refused:
        load_settings()
    assert shown in str(refused.value)
    assert "s3cret" not in "".join(traceback.format_exception(refused.value))


def test_a_home_that_no_table_can_lie_in_is_refused(monkeypatch):
    monkeypatch.setenv("PURSE_HOME", "/data/[shop]")
    with pytest.raises(PurseError, match=r"home: .*a folder with \[ \] in its name can.t hold tables"):
        load_settings()


def test_a_config_that_is_not_there(monkeypatch):
    monkeypatch.setenv("PURSE_CONFIG", "/no/such/file.yaml")
    with pytest.raises(PurseError, match=r"/no/such/file\.yaml"):
        load_settings()


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        load_settings().sweep.trials = 3
