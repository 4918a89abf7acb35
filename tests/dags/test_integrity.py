"""The DAGs as Airflow reads them: no errors, the verbs in their order, useful forms."""

import subprocess
import sys
from copy import deepcopy
from datetime import UTC, datetime
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

RETRAIN: list[str | set[str]] = [
    "wait_for_ingest",
    "snapshot_date",
    "build_features",
    "split",
    "plan_sweep",
    {"sweep", "sweep_networks"},
    "train",
    "evaluate",
    "register",
    "promote",
    "announce_champion",
]


def assert_order(dag: Any, *steps: str | set[str]) -> None:
    """Each task runs after all those before it, and there are no others."""
    groups = [step if isinstance(step, set) else {step} for step in steps]
    assert set(dag.task_ids) == set().union(*groups)
    for before, after in pairwise(groups):
        for task_id in after:
            assert before <= dag.get_task(task_id).upstream_task_ids, f"{task_id} does not wait for {before}"


def test_airflow_reads_every_file(bag: Any) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == {"ingest_daily", "retrain_daily", "score_daily", "monitor_daily", "doctor_daily"}
    for read in bag.dagbag_stats:
        print(f"{read.file}: {read.duration.total_seconds():.3f} s")  # noqa: T201  # shown with -s; a limit would fail on a busy machine


def test_the_steps_follow_one_another(bag: Any) -> None:
    assert_order(bag.dags["ingest_daily"], "ingest", "validate", "announce_orders")
    assert_order(bag.dags["retrain_daily"], *RETRAIN)
    assert_order(bag.dags["score_daily"], "snapshot_date", "build_features", "score", "deploy", "newer", "run_again")
    assert_order(bag.dags["doctor_daily"], "doctor")
    monitor = bag.dags["monitor_daily"]
    assert monitor.get_task("monitor").downstream_task_ids == {"is_alarmed", "retrain", "newer"}
    assert monitor.get_task("newer").downstream_task_ids == {"run_again"}


def test_a_person_approves_only_when_the_setting_says_so(parse: Any) -> None:
    dag = parse(PURSE_PROMOTION__APPROVAL="true").dags["retrain_daily"]
    promote = RETRAIN.index("promote")
    assert_order(dag, *RETRAIN[:promote], "approve", *RETRAIN[promote:])
    approve = dag.get_task("approve")
    assert approve.defaults == ["Reject"]
    assert approve.response_timeout < dag.dagrun_timeout


@pytest.mark.parametrize(
    ("approval", "flags"),
    [("true", ["--replace-unusable"]), ("false", [])],
    ids=["a person approves", "nobody is asked"],
)
def test_only_a_person_who_approves_may_replace_an_unusable_champion(
    parse: Any, approval: str, flags: list[str]
) -> None:
    promote = parse(PURSE_PROMOTION__APPROVAL=approval).dags["retrain_daily"].get_task("promote")
    assert promote.python_callable(snapshot_date="2001-02-01") == [
        "promote", *flags, "--snapshot-date", "2001-02-01"
    ]  # fmt: skip


@pytest.mark.parametrize("reason", [None, "it predicts 14 days"])
def test_the_form_says_why_a_champion_cannot_be_compared(parse: Any, reason: str | None) -> None:
    approve = parse(PURSE_PROMOTION__APPROVAL="true").dags["retrain_daily"].get_task("approve")
    measured = {"measures": {"ngini": 0.5}, "champion_unusable": reason, "run_url": "http://mlflow/#/runs/1"}
    body = approve.render_template(approve.body, {"ti": SimpleNamespace(xcom_pull={"evaluate": measured}.get)})
    assert body.startswith("Measures on the test window: {'ngini': 0.5}")
    assert body.endswith("[Open in MLflow](http://mlflow/#/runs/1)")
    assert ("**The champion cannot be compared: it predicts 14 days.**" in body) == (reason is not None)
    assert ("better than the best baseline" in body) == (reason is not None)


def test_schedules_and_queues_are_settings(parse: Any) -> None:
    variables = {"INGEST_SCHEDULE": "5 1 * * *", "QUEUE": "cpu", "GPU_QUEUE": "gpu-machine", "RETRIES": "12"}
    dags = parse(**{f"PURSE_AIRFLOW__{name}": value for name, value in variables.items()}).dags
    assert dags["ingest_daily"].schedule.expression == "5 1 * * *"
    assert dags["ingest_daily"].get_task("ingest").retries == 12
    queues = {task.task_id: task.queue for task in dags["retrain_daily"].tasks}
    assert queues.pop("sweep_networks") == queues.pop("train") == "gpu-machine"
    assert set(queues.values()) == {"cpu"}


def test_a_wrong_setting_is_shown_as_an_import_error(parse: Any) -> None:
    errors = parse(PURSE_AIRFLOW__RETRIES="many").import_errors
    assert errors
    assert all("airflow.retries" in error for error in errors.values())


@pytest.mark.parametrize(
    ("dag_id", "names"),
    [
        ("ingest_daily", ["from_date", "to_date"]),
        ("retrain_daily", ["snapshot_date"]),
        ("score_daily", ["snapshot_date"]),
        ("monitor_daily", ["snapshot_date"]),
    ],
)
def test_the_trigger_form_takes_dates_or_nothing(bag: Any, dag_id: str, names: list[str]) -> None:
    params = bag.dags[dag_id].params
    assert [name for name in params if name.endswith("date")] == names
    for name in names:
        param = deepcopy(params.get_param(name))  # resolving keeps the value
        assert param.schema["title"]
        assert param.description
        assert param.resolve() is None
        assert param.resolve("2001-02-01") == "2001-02-01"
        with pytest.raises(ValueError, match="date"):
            param.resolve("1 February")


@pytest.mark.parametrize(
    ("run_type", "from_date", "to_date"),
    [
        ("scheduled", "", "2001-03-01"),  # the step knows the newest loaded day
        ("backfill", "2001-02-28", "2001-03-01"),
        ("manual", "2000-11-01", ""),
        ("asset_materialization", "2000-11-01", ""),
    ],
)
def test_only_the_clock_decides_which_day_is_ingested(bag: Any, run_type: str, from_date: str, to_date: str) -> None:
    dag = bag.dags["ingest_daily"]
    task = dag.get_task("ingest")
    # a run that is not on schedule may have no logical date
    logical_date = datetime(2001, 3, 1, 2, tzinfo=UTC) if to_date else None
    context = {
        "dag_run": SimpleNamespace(run_type=run_type, logical_date=logical_date),
        "params": {"from_date": "2000-11-01", "to_date": None, "replace": True},
        **dag.user_defined_macros,
    }
    replace = "True" if run_type == "manual" else ""
    assert task.render_template(task.op_kwargs, context) == {"from_": from_date, "to": to_date, "replace": replace}


def test_the_date_of_a_run_is_the_newest_that_its_events_name() -> None:
    from dags.assets import newest_snapshot_date

    def event(**extra: str) -> SimpleNamespace:
        return SimpleNamespace(extra=extra)

    dated = [event(snapshot_date="2001-02-10"), event(snapshot_date="2001-02-09")]
    assert newest_snapshot_date({"order_lines": dated, "champion": [event()]}) == "2001-02-10"
    assert newest_snapshot_date({"order_lines": [event(from_rest_api="yes")]}) == ""
    assert newest_snapshot_date({}) == ""


def test_reading_a_dag_file_loads_nothing_heavy() -> None:
    script = (
        "import sys, dags.ingest_daily, dags.retrain_daily, dags.score_daily, dags.monitor_daily;"
        "print(sorted({'tensorflow', 'keras', 'mlflow', 'great_expectations', 'lightgbm', 'ibis', 'sklearn', 'pandas'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
