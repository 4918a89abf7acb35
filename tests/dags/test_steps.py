"""One step as a task, with a real command in a real process."""

import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowSkipException

from dags import steps


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stands in for `purse`; the path has a space, as a home folder may."""
    file = tmp_path / "my purse" / "purse"
    file.parent.mkdir()
    monkeypatch.setattr(steps, "PURSE", file)

    def write(body: str) -> None:
        file.write_text(f"#!{sys.executable}\nimport atexit, json, os, sys\n{body}\n")
        file.chmod(0o755)

    return write


def run(*words: str, task_arguments: dict[str, Any] | None = None, **options: str | None) -> Any:
    task = steps.purse(*words, **task_arguments or {})(**options).operator
    return task.execute({})


ECHO = "print(json.dumps({'arguments': sys.argv[1:]}))"


def test_options_become_flags_and_empty_ones_are_left_out(command: Any) -> None:
    command(ECHO)
    result = run("ingest", "--quietly", from_="2001-01-01", to=None, snapshot_date="", worker_name="w1")
    assert result["arguments"] == ["ingest", "--quietly", "--from", "2001-01-01", "--worker-name", "w1", "--json"]


@pytest.mark.parametrize(
    "value",
    [
        "two words",
        "it's",
        '"quoted"',
        "$HOME `id` $(id)",
        "a; touch /tmp/b && c | d > e",
        "{{ 1 + 1 }} {% x %}",
        "*",
        "\n",
        "é\\n",
        "x.sh",
    ],
)
def test_a_value_is_passed_as_it_is(command: Any, value: str) -> None:
    command(ECHO)
    assert run("score", note=value)["arguments"] == ["score", "--note", value, "--json"]


def test_the_result_is_the_last_line_on_stdout_whatever_else_is_said(command: Any) -> None:
    command(
        "print('progress'); print(json.dumps({'rows': 3}));"
        "atexit.register(lambda: print('a library says goodbye', file=sys.stderr))"
    )
    assert run("score") == {"rows": 3}


def test_one_part_of_the_result_can_be_mapped_over(command: Any) -> None:
    command("print(json.dumps({'study': 's', 'workers': ['w1', 'w2']}))")
    assert run("sweep", task_arguments={"result_key": "workers"}) == ["w1", "w2"]


@pytest.mark.parametrize("ending", ["sys.exit(1)", "sys.exit(2)", "raise MemoryError", "os.kill(os.getpid(), 9)"])
def test_a_failed_command_fails_the_task_even_after_a_result(command: Any, ending: str) -> None:
    command(f"print('{{}}', flush=True); {ending}")
    with pytest.raises(AirflowException, match="non-zero exit code"):
        run("train")


def test_nothing_to_do_is_a_skipped_task(command: Any) -> None:
    from pipelines.errors import NothingToDo

    command(f"sys.exit({NothingToDo.exit_code})")
    with pytest.raises(AirflowSkipException):
        run("score")


def test_a_command_inherits_the_environment(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PURSE_SOURCE", "cdnow")
    command("print(json.dumps(os.environ['PURSE_SOURCE']))")
    assert run("ingest") == "cdnow"


def test_the_command_is_the_one_of_this_installation() -> None:
    assert steps.PURSE.parent == Path(sys.executable).parent
    assert steps.PURSE.is_file()
