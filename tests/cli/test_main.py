"""The command line as a person and as Airflow use it: real processes, real answers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PURSE = Path(sys.executable).with_name("purse")


@pytest.fixture
def purse(tmp_path):
    """Run `purse` in a home of its own."""

    def run(*arguments, **environment):
        environment = {**os.environ, "PURSE_HOME": str(tmp_path), **environment}
        return subprocess.run([PURSE, *arguments], env=environment, capture_output=True, text=True, check=False)

    return run


def test_help_names_every_step_in_order(purse):
    text = purse("--help").stdout
    verbs = "ingest validate build-features split sweep train evaluate register promote"
    verbs += " score deploy rollback card backtest up down serve keys"
    places = [text.index(f" {verb} ") for verb in verbs.split()]
    assert places == sorted(places)


def test_an_error_is_one_message_without_a_traceback(purse):
    done = purse("ingest", PURSE_SOURCE="nowhere")
    assert done.returncode == 2
    assert "Known sources: cdnow, marketplace, tafeng" in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_wrong_setting_stops_before_any_work(purse, tmp_path):
    done = purse("ingest", PURSE_SWEEP__TRIALS="many")
    assert done.returncode == 2
    assert "sweep.trials" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["ingest", "validate"])
def test_a_span_that_ends_before_it_begins_is_a_mistake_of_the_request(purse, tmp_path, step):
    done = purse(step, "--from", "2001-02-01", "--to", "2001-02-01", "--json", PURSE_SOURCE="cdnow")
    message = json.loads(done.stdout)
    assert done.returncode == message["exit_code"] == 2
    assert "found --from 2001-02-01 and --to 2001-02-01" in message["error"]
    assert "for the single day 2001-02-01 give --to 2001-02-02" in message["error"]
    assert message["error"] in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_step_before_its_time_names_the_step_to_run(purse):
    assert "Run 'purse ingest' and 'purse validate' first" in purse("split").stderr
    done = purse("train", "--snapshot-date", "2001-03-01")
    assert done.returncode == 1
    assert "holds no orders" in done.stderr or "purse split" in done.stderr


def test_days_of_a_source_end_in_one_json_line(purse):
    done = purse("ingest", "--from", "1997-01-01", "--to", "1997-01-03", "--json", PURSE_SOURCE="cdnow")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["to_date"] == "1997-01-03"
    assert result["tables"]["order_lines"]["days"] == 2
    assert set(result["seconds"]) == {"starting", "computing"}


def test_without_a_champion_there_is_nothing_to_score(purse):
    for step in ("ingest", "validate"):
        assert purse(step, "--from", "1997-01-01", "--to", "1997-01-03", PURSE_SOURCE="cdnow").returncode == 0
    done = purse("score", "--json")
    assert done.returncode == 99
    assert done.stderr.startswith("Nothing to do: ")
    assert "no champion yet" in json.loads(done.stdout)["error"]
    done = purse("card")
    assert done.returncode == 1
    assert "no version with the alias 'champion'" in done.stderr.replace("\n", " ")


def test_keys_are_made_listed_and_revoked_and_shown_once(purse, tmp_path):
    made = json.loads(purse("keys", "create", "shop", "--scope", "read", "--days", "10", "--json").stdout)
    (soon,) = json.loads(purse("keys", "list", "--json").stdout)["keys"]
    assert soon["warning"].startswith("expires in 9 days: replace it with 'purse keys rotate")
    assert made["key"].startswith(f"purse_{made['key_id']}_")
    assert json.loads(purse("keys", "revoke", made["key_id"], "--json").stdout)["expires_at"]
    (listed,) = json.loads(purse("keys", "list", "--json").stdout)["keys"]
    assert (listed["name"], listed["scopes"]) == ("shop", ["read"])
    assert "key" not in listed
    audit = (tmp_path / "serving" / "audit.jsonl").read_text()
    assert [json.loads(line)["action"] for line in audit.splitlines()] == ["key.create", "key.revoke"]
    assert "one or more of the scopes" in purse("keys", "create", "shop", "--scope", "fly").stderr.replace("\n", " ")


@pytest.mark.parametrize("purpose", ["scoring", "monitoring"])
def test_a_service_that_does_not_answer_has_an_exit_code_of_its_own(purse, purpose):
    down = {"PURSE_MLFLOW__TRACKING_URI": "http://127.0.0.1:9"}
    done = purse("snapshot-date", "--for", purpose, **down)
    assert done.returncode == 75
    assert "does not answer" in done.stderr
    assert "Traceback" not in done.stderr
