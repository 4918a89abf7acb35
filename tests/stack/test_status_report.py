"""`purse status` for a person: addresses, logins and what does not run; for programs, --json."""

import json
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from pipelines.tracking.champion_record import Recorded, write_record
from stack.services import status
from stack.status_report import show

PURSE = Path(sys.executable).with_name("purse")


def test_a_person_reads_addresses_and_where_the_logins_lie(settings):
    state = status(settings)
    state["services"]["serving"] = 1
    state["runs"] = [
        {"dag_id": "score_daily", "state": "running", "start_date": "2001-02-01T02:00:07Z", "end_date": None}
    ]
    console = Console(record=True, width=200, highlight=False)
    show(settings, state, console)
    lines = console.export_text().splitlines()
    (dashboard,) = (line for line in lines if "Dashboard" in line)
    (airflow,) = (line for line in lines if "Airflow" in line)
    assert "yes" in dashboard
    assert "http://127.0.0.1:8000" in dashboard
    assert "http://airflow.localhost:8080" in airflow
    assert str(settings.home_path) in airflow
    (run,) = (line for line in lines if "score_daily" in line)
    assert "running" in run
    assert "2001-02-01 02:00" in run
    (stopped,) = (line for line in lines if line.startswith("Not running: "))
    assert "scheduler" in stopped
    assert "serving" not in stopped


def test_a_baseline_that_is_champion_is_named(settings):
    assert status(settings)["champion"] is None
    write_record(settings, Recorded(model="purchasing-power", version="2", baseline="history_rate"))
    console = Console(record=True, width=200, highlight=False)
    show(settings, status(settings), console)
    assert (
        "Champion: version 2, the baseline history_rate, until a model is shown to be better" in console.export_text()
    )


def test_a_program_reads_json(tmp_path):
    environment = {**os.environ, "PURSE_HOME": str(tmp_path)}
    done = subprocess.run([PURSE, "status", "--json"], env=environment, capture_output=True, text=True, check=True)
    state = json.loads(done.stdout)
    assert state["running"] is False
    assert set(state["services"]) == {"mlflow", "api-server", "dag-processor", "serving", "scheduler"}
