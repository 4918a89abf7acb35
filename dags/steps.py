"""Run a step as the command `purse VERB ... --json`, which a person can copy from the task's log.

A new interpreter per step keeps TensorFlow out of the worker and defines isolation, queue and environment in one place.
The command's last line on stdout is a JSON object and becomes the task's XComs, one per key; stderr goes to the task's
log. Exit code 0 is success. Exit code 99 means nothing to do yet; Airflow shows the task as skipped. Any other code
fails the task, with the command's message as the log's error. Airflow tries it again: after exit code 75, a service
does not answer, for 50 minutes; after exit code 2, a mistake of a person, not at all (`dags.retries`).
"""

import json
import logging
import shlex
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from signal import SIGKILL
from tempfile import NamedTemporaryFile
from typing import Any, NoReturn

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import BaseOperator, BaseOperatorLink, Context, Param
from airflow.sdk.bases.decorator import DecoratedOperator, TaskDecorator, task_decorator_factory
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.types import TaskInstanceKey

from dags.retries import DELAYS, PatientPolicy, StepFailed
from pipelines.errors import NothingToDo
from pipelines.settings import load_settings

PURSE = Path(sys.executable).with_name("purse")
SIGNALS = 128
"""Exit codes above are the shell's: this, plus the signal that ended the command."""

SNAPSHOT_DATE = Param(
    None,
    type=["null", "string"],
    format="date",
    title="Snapshot date",
    description="Only orders before this day are used. Empty: the day after the lake's last complete day.",
)

REQUESTED = "{{ params.snapshot_date or '' }}"
"""Template of the date in a run's form."""

OF_EVENTS = "{{ '' if params.snapshot_date else newest_snapshot_date(triggering_asset_events) }}"
"""Template of the newest date of the events that started a run; Airflow can lose newer events."""


class MlflowLink(BaseOperatorLink):
    """Button that opens the step's run in MLflow."""

    name = "Open in MLflow"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002  # Airflow's form
        """Address of the run; empty, so no button, if the step has no run."""
        return _result_of(operator).get("run_url") or ""


class DataDocsLink(BaseOperatorLink):
    """Button that opens the step's validation report, which plugins/data_docs.py serves."""

    name = "Data Docs"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002  # Airflow's form
        """Path of the report on Airflow's server; empty if the step wrote no report."""
        page = _result_of(operator).get("data_docs")
        return f"/data-docs/{Path(page).relative_to(load_settings().data_docs)}" if page else ""


def _result_of(operator: BaseOperator) -> dict[str, Any]:
    """Result of a step that just ran in this process; Airflow logs an error for an XCom that does not exist."""
    return getattr(operator, "result", None) or {}


class Step(DecoratedOperator, BashOperator):
    """One `purse` command. Arguments are quoted after templating, so that no value is executed as code."""

    template_fields = DecoratedOperator.template_fields
    operator_extra_links = (MlflowLink(), DataDocsLink())
    custom_operator_name = "purse"

    def __init__(self, *, result_key: str | None = None, **kwargs: object) -> None:
        """Return the whole result, or only the value of `result_key`.

        Airflow maps a task only over another task's whole result, so a list must be the result itself.
        """
        super().__init__(bash_command="", **kwargs)
        self.result_key = result_key

    def execute(self, context: Context) -> object:
        """Run the command and return its result.

        Raises:
            StepFailed: the command failed; the log's last line is its message.
            AirflowSkipException: nothing to do yet.
        """
        command = shlex.join([str(PURSE), *self.python_callable(**self.op_kwargs), "--json"])
        self.log.info("Command: %s", command)
        with NamedTemporaryFile() as stdout:  # apart from stderr, which goes to the log
            shell = ["bash", "-c", f"{command} > {shlex.quote(stdout.name)}"]
            code = self.subprocess_hook.run_command(shell, env=self.get_env(context)).exit_code
            last = Path(stdout.name).read_text(errors="replace").splitlines()[-1:]
        if code != 0:
            self._end(code, last)
        result = json.loads(last[0])
        self.log.info("Result: %s", last[0])
        for asset in self.outlets:
            context["outlet_events"][asset].extra = {"snapshot_date": result["snapshot_date"]}
        self.result = result  # for the buttons
        return result if self.result_key is None else result[self.result_key]

    def _end(self, code: int, last: list[str]) -> NoReturn:
        """End the task after an exit code other than 0, with the sentence that the command left.

        Raises:
            StepFailed: the command failed.
            AirflowSkipException: nothing to do yet.
        """
        sentence = _sentence(code, last)
        if code == NothingToDo.exit_code:
            raise AirflowSkipException(sentence)
        self.log.error("%s", sentence)
        raise StepFailed(code)


def _sentence(code: int, last: list[str]) -> str:
    """Error in the last line of a command's stdout, or else what its exit code means."""
    with suppress(ValueError, LookupError, TypeError):
        return str(json.loads(last[0])["error"])
    if code > SIGNALS:
        reason = f"was killed by signal {code - SIGNALS}"
        return f"The command {reason}" + (": is the memory used up?" if code - SIGNALS == SIGKILL else ".")
    return f"The command ended with exit code {code}. The lines above say why."


def purse(
    *words: str, task_id: str | None = None, result_key: str | None = None, **task_arguments: object
) -> TaskDecorator:
    """Build the task that runs `purse WORDS`; call or map it with the options that are known at run time.

    `purse("sweep", "--tabular").partial(snapshot_date=day).expand(worker=names)` runs
    `purse sweep --tabular --snapshot-date 2001-02-01 --worker w1 --json` and so on. Empty options are omitted;
    the text `True`, of a checked box in a form, makes a flag.
    """

    def arguments(**options: str | None) -> list[str]:
        given = {name.strip("_").replace("_", "-"): value for name, value in options.items() if value}
        return [*words, *(word for name, value in given.items() for word in _option(name, value))]

    policy = PatientPolicy(load_settings().airflow.retries)
    return task_decorator_factory(
        arguments,
        retries=policy.all_retries,
        retry_policy=policy,
        decorated_operator_class=Step,
        task_id=task_id or words[0].replace("-", "_"),
        multiple_outputs=result_key is None,
        result_key=result_key,
        **task_arguments,
    )


def _option(name: str, value: str) -> list[str]:
    return [f"--{name}"] if value == "True" else [f"--{name}", value]


def run_again(dag_id: str) -> TriggerDagRunOperator:
    """Start the DAG once more after this run; the task before is skipped, and so is this one, without newer data."""
    return TriggerDagRunOperator(task_id="run_again", trigger_dag_id=dag_id)


def explain_failure(context: Context) -> None:
    """Log what to do after a task has used up its retries."""
    ti = context["ti"]
    logging.getLogger(__name__).error(
        "%s.%s failed and has no retries left. The champion and the last scores stay active. Read the error above, "
        "remove the cause and clear this task in the grid: it and all later tasks run again. A rerun replaces data and "
        "never duplicates it. The Docs of this DAG are its runbook.",
        ti.dag_id,
        ti.task_id,
    )


def task_defaults() -> dict[str, Any]:
    """Arguments of every task of Purse.

    Every failure but a mistake (`dags.retries`) is retried: a full disk can't be told from other errors of a step, and
    a step that fails because of its data fails early.
    """
    settings = load_settings().airflow
    return {
        "owner": "purse",
        "queue": settings.queue,
        "retries": settings.retries,
        **DELAYS,
        "execution_timeout": timedelta(hours=1),
        "on_failure_callback": explain_failure,
    }
