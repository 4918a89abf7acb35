"""Every step is killed on its way, then run to its end: what remains equals an undisturbed run."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pandas as pd
import pytest

from pipelines.lake import tables
from pipelines.settings import load_settings
from pipelines.tracking.experiments import experiment_id
from pipelines.tracking.runs import connect

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

PURSE = Path(sys.executable).with_name("purse")
PERIOD = ("--from", "1997-01-01", "--to", "1997-09-01")
SNAPSHOT = ("--snapshot-date", "1997-09-01")
STEPS = (
    ("ingest", *PERIOD),
    ("validate", *PERIOD),
    ("build-features", "--for", "training", *SNAPSHOT),
    ("split", *SNAPSHOT),
    ("sweep", *SNAPSHOT),
    ("train", *SNAPSHOT),
    ("evaluate", *SNAPSHOT),
    ("register", *SNAPSHOT),
    ("promote", *SNAPSHOT),
    ("build-features", *SNAPSHOT),
    ("score", *SNAPSHOT),
)
TABLES = {
    "staging/order_lines": "source_line",
    "raw/order_lines": "line",
    "user_day": ["user_id", "day"],
    "features": ["snapshot_date", "user_id"],
    "training_sets": ["snapshot_date", "user_id"],
    "predictions": "user_id",
}
KILLED_AT = 0.75
"""Share of the time that the undisturbed step took."""

RANDOM_KILLS = 19
"""Kills of each of the 11 steps, at random moments, before it runs to its end: 209 in all."""


@pytest.fixture
def homes(tmp_path):
    """Two shops with the first customers of CDNOW, by name: environment for `purse`."""
    source = (Path(__file__).parents[2] / "conf/sources/cdnow.yaml").read_text()
    (tmp_path / "shop.yaml").write_text(source.replace("trim(text) <> ''", "trim(text) < '02500'"))
    shop = {
        "PURSE_SOURCE": str(tmp_path / "shop.yaml"),
        "PURSE_HORIZON_DAYS": "60",
        "PURSE_SWEEP__FAMILIES": '["linear_rfm", "ridge_rfm", "lightgbm_tweedie"]',
        "PURSE_SWEEP__TRIALS": "6",
        "PURSE_PROMOTION__BOOTSTRAP_SAMPLES": "50",
    }
    return {name: {**os.environ, **shop, "PURSE_HOME": str(tmp_path / name)} for name in ("undisturbed", "killed")}


def run(step, environment):
    began = time.monotonic()
    done = subprocess.run([PURSE, *step, "--json"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{step}: {done.stderr}"
    return time.monotonic() - began


def kill(step, environment, seconds):
    """Kill a step after some time, or after less of it where it has ended by then."""
    for attempt in range(5):
        with subprocess.Popen([PURSE, *step, "--json"], env=environment, stdout=-3, stderr=-3) as process:
            try:
                process.wait(timeout=seconds / 2**attempt)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
        if process.returncode == -signal.SIGKILL:
            return
    pytest.fail(f"{step} ended before it was killed, {attempt + 1} times")


def table(name, home):
    rows = tables.read(tables.connect(), load_settings().with_changes(home=home), name).to_pandas()
    ignored = [column for column in ("scored_at", "source_file") if column in rows]
    return rows.drop(columns=ignored).sort_values(TABLES[name], ignore_index=True)


def test_killed_steps_end_as_undisturbed_ones(homes, tmp_path):
    for step in STEPS:
        seconds = run(step, homes["undisturbed"])
        kill(step, homes["killed"], seconds * KILLED_AT)
        run(step, homes["killed"])
    assert_equal(homes, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(0)
def test_steps_that_are_killed_again_and_again_end_as_undisturbed_ones(homes, tmp_path):
    moments = random.Random(7)
    for step in STEPS:
        seconds = run(step, homes["undisturbed"])
        for _ in range(RANDOM_KILLS):
            kill(step, homes["killed"], seconds * moments.uniform(0.02, 1))
        run(step, homes["killed"])
    assert_equal(homes, tmp_path)


def assert_equal(homes, tmp_path):
    """Compare the tables, runs, versions and trials of two homes."""
    for name in TABLES:
        expected, found = (table(name, tmp_path / home) for home in homes)
        assert len(expected)
        pd.testing.assert_frame_equal(found, expected[found.columns], rtol=1e-9)

    tried, versions = [], []
    for home in homes:
        settings = load_settings().with_changes(home=tmp_path / home)
        client = connect(settings)
        runs = client.search_runs([experiment_id(client, settings)])
        assert {run.info.status for run in runs} == {"FINISHED"}
        assert len(runs) == 2 + 6  # of the retraining, the baseline that stands in, and the trials
        versions.append(sorted((one.version, one.tags["family"]) for one in client.search_model_versions()))
        (study,) = optuna.get_all_study_summaries(f"sqlite:///{tmp_path / home / 'optuna.db'}")
        trials = optuna.load_study(study_name=study.study_name, storage=f"sqlite:///{tmp_path / home / 'optuna.db'}")
        assert trials.get_trials(states=[optuna.trial.TrialState.RUNNING, optuna.trial.TrialState.WAITING]) == []
        done = trials.get_trials(states=[optuna.trial.TrialState.COMPLETE])
        tried.append({(trial.user_attrs["family"], trial.user_attrs["draw"]): trial.params for trial in done})
    assert versions[0] == versions[1]
    assert 1 <= len(versions[0]) <= 2  # the model, and the baseline if the model was refused
    assert len(tried[0]) == 6
    assert tried[0] == tried[1]
