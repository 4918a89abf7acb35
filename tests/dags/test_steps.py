"""One step as a task, with a real command in a real process."""

import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from dags import steps
from dags.retries import StepFailed
from pipelines.errors import NothingToDo


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


def errors(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Errors in the task's log, with the name of its logger."""
    return [part.split("[", 1)[0].strip() for part in capsys.readouterr().out.split("[error    ]")[1:]]


@pytest.mark.parametrize(
    ("ending", "code", "sentence"),
    [
        ("sys.exit(1)", 1, "The command ended with exit code 1. The lines above say why."),
        ("raise MemoryError", 1, "The command ended with exit code 1. The lines above say why."),
        ("os.kill(os.getpid(), 9)", 137, "The command was killed by signal 9: is the memory used up?"),
    ],
)
def test_a_failed_command_fails_the_task_even_after_a_result(
    command: Any, capsys: pytest.CaptureFixture[str], ending: str, code: int, sentence: str
) -> None:
    command(f"print('{{}}', flush=True); {ending}")
    with pytest.raises(StepFailed) as found:
        run("train")
    assert found.value.code == code
    assert errors(capsys) == [sentence]


def test_the_error_of_a_failed_task_is_the_commands_own_sentence(
    command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    cause = "Column 'at' has 3 values that are not dates, first 'é\\n' in orders.csv.\nCorrect them."
    command(f"print(json.dumps({{'error': {cause!r}, 'exit_code': 1}})); sys.exit(1)")
    with pytest.raises(StepFailed):
        run("ingest")
    assert errors(capsys) == [cause]


def test_nothing_to_do_is_a_skipped_task_that_says_so(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    command(f"print(json.dumps({{'error': 'There is no champion yet.'}})); sys.exit({NothingToDo.exit_code})")
    with pytest.raises(AirflowSkipException, match=r"There is no champion yet\."):
        run("score")
    assert errors(capsys) == []


def test_a_command_inherits_the_environment(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PURSE_SOURCE", "cdnow")
    command("print(json.dumps(os.environ['PURSE_SOURCE']))")
    assert run("ingest") == "cdnow"


def test_the_command_is_the_one_of_this_installation() -> None:
    assert steps.PURSE.parent == Path(sys.executable).parent
    assert steps.PURSE.is_file()
