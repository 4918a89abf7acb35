"""Whole runs of the DAGs by Airflow itself, with a command that answers at once in the place of `purse`.

What the steps compute is tested with them; here is what Airflow passes from one to the next.
"""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

DAY = "2001-02-01"
MARK = "champion-3 raw/order_lines-12"
SAME = f"--unless {shlex.quote(MARK)}"
RESULTS = {
    "ingest": {"from_date": "2001-01-01", "to_date": DAY},
    "validate": {
        "to_date": "2001-01-02",
        "snapshot_date": DAY,
        "mark": "1",
        "data_docs": "{home}/data_docs/index.html",
    },
    "snapshot-date": {"snapshot_date": DAY, "inputs": MARK},
    "build-features": {"rows": 3},
    "split": {"training_id": f"{DAY}-00000000"},
    "sweep": {"workers": ["w1", "w2", "w3"], "run_url": "http://mlflow/#/runs/1"},
    "train": {"run_url": "http://mlflow/#/runs/1"},
    "evaluate": {"measures": {"ngini": 0.5}, "run_url": "http://mlflow/#/runs/1"},
    "register": {"version": "7"},
    "promote": {"promoted": True, "description": "better by 0.01", "version": "7"},
    "score": {"snapshot_date": DAY, "rows": 3},
    "deploy": {"deployed": True, "release": f"7-{DAY}"},
    "newer": 99,
    "monitor": {"alarm": False, "reason": "nothing moved"},
}

STAND_IN = """#!{python}
import json, os, sys
verb, *arguments = sys.argv[1:]
with open({calls!r}, "a") as calls:
    calls.write(json.dumps([verb, *arguments]) + "\\n")
print("working", file=sys.stderr)
result = json.loads(open({results!r}).read())[verb if "--unless" not in arguments else "newer"]
sys.exit(result) if isinstance(result, int) else print(json.dumps(result))
"""


class Purse:
    """The command that stands in for `purse`: `results` by verb (a number is an exit code), `calls` as typed."""

    def __init__(self, folder: Path) -> None:
        self.command, self._calls, self._results = folder / "purse", folder / "calls", folder / "results"
        self._calls.touch()
        self.answer(json.loads(json.dumps(RESULTS).replace("{home}", str(folder))))
        names = {"python": sys.executable, "calls": str(self._calls), "results": str(self._results)}
        self.command.write_text(STAND_IN.format(**names))
        self.command.chmod(0o755)

    def answer(self, results: dict[str, Any]) -> None:
        known = json.loads(self._results.read_text()) if self._results.exists() else {}
        self._results.write_text(json.dumps(known | results))

    @property
    def calls(self) -> list[str]:
        lines = [json.loads(line) for line in self._calls.read_text().splitlines()]
        return [shlex.join(words[:-1]) for words in lines if words[-1] == "--json"]


@pytest.fixture
def purse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Purse:
    from dags import steps

    stand_in = Purse(tmp_path)
    monkeypatch.setattr(steps, "PURSE", stand_in.command)
    return stand_in


def events(asset: str) -> list[Any]:
    """What was announced about an asset so far, oldest first."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    query = select(AssetEvent.extra).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
    with create_session() as session:
        return list(session.scalars(query.where(AssetModel.name == asset).order_by(AssetEvent.id)))


def test_ingest_takes_the_range_of_the_form_and_announces_the_date_to_score(
    run: Any, states: Any, purse: Purse
) -> None:
    purse.answer({"validate": {"snapshot_date": DAY, "mark": "raw/order_lines-2"}})
    done = run("ingest_daily", run_conf={"from_date": "2001-01-01", "to_date": DAY})
    assert states(done) == {"ingest": "success", "validate": "success", "announce_orders": "success"}
    assert purse.calls == [f"{verb} --from 2001-01-01 --to {DAY}" for verb in ("ingest", "validate")]
    assert events("order_lines")[-1] == {"snapshot_date": DAY, "mark": "raw/order_lines-2"}


def test_days_are_replaced_only_by_a_manual_run_that_says_so(run: Any, purse: Purse) -> None:
    run("ingest_daily", run_conf={"from_date": "2001-01-01", "to_date": DAY, "replace": True})
    assert purse.calls == [f"{verb} --from 2001-01-01 --to {DAY} --replace" for verb in ("ingest", "validate")]


def test_an_ingest_that_changes_no_row_announces_nothing(run: Any, states: Any, purse: Purse) -> None:
    announced = []
    for mark in ("raw/order_lines-8", "raw/order_lines-8", "raw/order_lines-9"):
        purse.answer({"validate": {"snapshot_date": DAY, "mark": mark}})
        announced.append(states(run("ingest_daily"))["announce_orders"])
    assert announced == ["success", "skipped", "success"]
    assert [event["mark"] for event in events("order_lines")[-2:]] == ["raw/order_lines-8", "raw/order_lines-9"]


def test_a_retraining_on_unchanged_data_ends_at_the_split(run: Any, states: Any, purse: Purse) -> None:
    purse.answer({"split": 99})
    before = events("champion")
    done = run("retrain_daily")
    assert str(done.state) == "success"
    ran = {"wait_for_ingest", "snapshot_date", "build_features"}
    assert {task for task, state in states(done).items() if state == "success"} == ran
    assert purse.calls[-1] == f"split --unless-decided --snapshot-date {DAY}"
    assert events("champion") == before


def test_ingest_with_an_empty_form_takes_the_whole_source(run: Any, purse: Purse) -> None:
    run("ingest_daily")
    assert purse.calls == ["ingest", f"validate --from 2001-01-01 --to {DAY}"]


def test_retraining_passes_the_date_to_every_step_and_maps_the_sweep(run: Any, states: Any, purse: Purse) -> None:
    done = run("retrain_daily", run_conf={"snapshot_date": DAY})
    assert set(states(done).values()) == {"success"}
    date = f"--snapshot-date {DAY}"
    sweep = {f"sweep --tabular {date} --worker w{n}" for n in (1, 2, 3)} | {
        f"sweep --networks {date} --worker networks"
    }
    before = [f"snapshot-date {date}", f"build-features --for training {date}", f"split --unless-decided {date}"]
    after = [f"{verb} {date}" for verb in ("train", "evaluate", "register", "promote")]
    assert purse.calls[:3] == before
    assert purse.calls[3] == f"sweep --plan-only {date}"
    assert set(purse.calls[4:8]) == sweep
    assert purse.calls[8:] == after
    assert events("champion")[-1] == {"snapshot_date": DAY}


def test_not_promoting_is_a_success_and_announces_nothing(run: Any, states: Any, purse: Purse) -> None:
    purse.answer({"promote": {"promoted": False, "description": "no gain"}})
    before = events("champion")
    done = run("retrain_daily")
    assert str(done.state) == "success"
    assert states(done)["announce_champion"] == "skipped"
    assert events("champion") == before


def test_a_failed_step_stops_the_run_there(run: Any, states: Any, purse: Purse) -> None:
    purse.answer({"evaluate": 1})
    done = run("retrain_daily")
    assert str(done.state) == "failed"
    assert states(done)["evaluate"] == "failed"
    assert not [call for call in purse.calls if call.startswith(("register", "promote"))]


def test_scoring_without_a_champion_is_skipped(run: Any, states: Any, purse: Purse) -> None:
    purse.answer({"snapshot-date": 99})
    done = run("score_daily")
    assert purse.calls == ["snapshot-date --for scoring"]
    assert str(done.state) == "success"
    assert set(states(done).values()) == {"skipped"}


@pytest.mark.usefixtures("purse")
def test_a_task_links_to_its_run_and_its_report(run: Any) -> None:
    def link(done: Any, task_id: str, name: str) -> Any:
        return done.get_task_instance(task_id).xcom_pull(task_ids=task_id, key=f"_link_{name}")

    retrained = run("retrain_daily")
    assert link(retrained, "train", "MlflowLink") == "http://mlflow/#/runs/1"
    assert link(retrained, "plan_sweep", "MlflowLink") == "http://mlflow/#/runs/1"
    assert not link(retrained, "split", "MlflowLink")
    assert link(run("ingest_daily"), "validate", "DataDocsLink") == "/data-docs/index.html"


def test_scores_are_announced_to_the_monitoring(run: Any, purse: Purse) -> None:
    run("score_daily", run_conf={"snapshot_date": DAY})
    assert purse.calls[-3:] == [f"score --snapshot-date {DAY}", "deploy", f"snapshot-date --for scoring {SAME}"]
    assert events("predictions")[-1] == {"snapshot_date": DAY}


@pytest.mark.parametrize(("code", "state", "run_state"), [(99, "skipped", "success"), (1, "failed", "failed")])
def test_a_deploy_is_red_when_refused_and_skipped_without_a_service(
    run: Any, states: Any, purse: Purse, code: int, state: str, run_state: str
) -> None:
    purse.answer({"deploy": code})
    done = run("score_daily", run_conf={"snapshot_date": DAY})
    assert states(done)["deploy"] == state
    assert states(done)["score"] == "success"
    assert str(done.state) == run_state


def test_without_an_alarm_nothing_is_retrained(run: Any, states: Any, purse: Purse) -> None:
    done = run("monitor_daily", run_conf={"snapshot_date": DAY})
    start = f"snapshot-date --for monitoring --snapshot-date {DAY}"
    assert purse.calls == [start, f"monitor --snapshot-date {DAY}", f"snapshot-date --for monitoring {SAME}"]
    assert states(done) == {
        "newer": "skipped",
        "run_again": "skipped",
        "snapshot_date": "success",
        "monitor": "success",
        "is_alarmed": "success",
        "retrain": "skipped",
    }


def test_an_alarm_starts_a_retraining_that_knows_why(run: Any, purse: Purse) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    reason = 'days.carts psi 0.3 (normal up to 0.1), "quoted"'
    purse.answer({"monitor": {"alarm": True, "reason": reason}})
    for _ in range(2):  # a rerun of the same date starts no second one
        run("monitor_daily", run_conf={"snapshot_date": DAY})
    query = select(DagRun.conf).where(DagRun.dag_id == "retrain_daily", DagRun.run_id == f"drift__{DAY}")
    with create_session() as session:
        assert list(session.scalars(query)) == [{"snapshot_date": DAY, "reason": reason}]


def queued_runs(dag_id: str) -> list[Any]:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return list(session.scalars(select(DagRun.run_id).where(DagRun.dag_id == dag_id, DagRun.state == "queued")))


@pytest.mark.parametrize("dag_id", ["score_daily", "monitor_daily"])
def test_data_that_arrived_during_a_run_start_another_one(run: Any, states: Any, purse: Purse, dag_id: str) -> None:
    before = len(queued_runs(dag_id))
    purse.answer({"newer": {"snapshot_date": "2001-02-02", "inputs": "champion-3 raw/order_lines-13"}})
    assert states(run(dag_id))["run_again"] == "success"
    assert len(queued_runs(dag_id)) == before + 1
    purse.answer({"newer": 99})
    assert states(run(dag_id))["run_again"] == "skipped"
    assert len(queued_runs(dag_id)) == before + 1


@pytest.mark.usefixtures("purse")
def test_a_refused_deploy_is_red_whatever_newer_data_there_are(run: Any, states: Any, purse: Purse) -> None:
    purse.answer({"deploy": 1, "newer": {"snapshot_date": DAY, "inputs": "champion-4"}})
    done = run("score_daily")
    assert str(done.state) == "failed"
    assert states(done)["run_again"] == "upstream_failed"


def test_a_run_takes_its_events_date_only_as_the_oldest_one(bag: Any) -> None:
    from types import SimpleNamespace

    event = SimpleNamespace(extra={"snapshot_date": DAY})
    for dag_id in ("score_daily", "monitor_daily"):
        dag = bag.dags[dag_id]
        task = dag.get_task("snapshot_date")
        context = {"triggering_asset_events": {"order_lines": [event]}, **dag.user_defined_macros}
        of_events = task.render_template(task.op_kwargs, context | {"params": {"snapshot_date": None}})
        assert of_events == {"snapshot_date": "", "at_least": DAY}
        of_form = task.render_template(task.op_kwargs, context | {"params": {"snapshot_date": "2001-01-01"}})
        assert of_form == {"snapshot_date": "2001-01-01", "at_least": ""}
