"""A stop of the running stack in the middle of a night: the night ends after the next start, no try is lost."""

import time

import psutil
import pytest

from stack import airflow_api, processes, services

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


def wait_for(client, run_id, is_there, seconds):
    """Tasks of the run of ingest_daily by name, as soon as `is_there` of them."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        tasks = {task["task_id"]: task for task in airflow_api.task_instances(client, "ingest_daily", run_id)}
        if is_there(tasks):
            return tasks
        time.sleep(0.2)
    pytest.fail(f"still {tasks}")


def cut_the_power(settings):
    names = [service.name for service in services._services(settings)]
    while alive := processes.members(settings.home_path, names):
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=10)


@pytest.mark.parametrize("stop", [services.down, cut_the_power])
def test_a_task_that_a_stop_interrupts_keeps_its_tries_and_ends_after_up(stack, monkeypatch, stop):
    again = {"SOURCE": stack.source, "SERVING__PORT": str(stack.serving.port), "AIRFLOW__RETRIES": "0"}
    for name, value in again.items():  # services read them at their start
        monkeypatch.setenv(f"PURSE_{name}", value)
    with airflow_api.connect(stack) as client:
        airflow_api.wait_for_dag(client, "ingest_daily")
        run_id = airflow_api.trigger(client, "ingest_daily")
        wait_for(client, run_id, lambda tasks: tasks.get("ingest", {}).get("state") == "running", 120)
    stop(stack)
    services.up(stack)
    started = {name: processes.running(stack.home_path, name).create_time() for name in ("api-server", "scheduler")}
    assert started["scheduler"] > started["api-server"]
    with airflow_api.connect(stack) as client:
        ends = ("success", "failed", "upstream_failed", "up_for_retry")
        tasks = wait_for(client, run_id, lambda tasks: tasks["validate"]["state"] in ends, 300)
        assert {name: tasks[name]["state"] for name in ("ingest", "validate")} == {
            "ingest": "success",
            "validate": "success",
        }
        assert tasks["ingest"]["max_tries"] >= tasks["ingest"]["try_number"] - 1  # with airflow.retries: 0
