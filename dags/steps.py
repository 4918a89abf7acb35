"""How a step is run: as `purse VERB ... --json`, the command that a person can copy from the task's log.

A fresh interpreter per step keeps the worker free of TensorFlow and leaves isolation, queue and environment in
one place. The command's last line on stdout, a JSON object, becomes the task's XCom, one per key;
everything on stderr is the task's log. Exit code 0 is success and 99 means that there is nothing to do yet,
which Airflow shows as skipped; any other code fails the task, which is then tried again.
"""

import json
import logging
import shlex
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import BaseOperator, BaseOperatorLink, BaseXCom, Context, Param
from airflow.sdk.bases.decorator import DecoratedOperator, TaskDecorator, task_decorator_factory
from airflow.sdk.types import TaskInstanceKey

from pipelines.settings import load_settings

PURSE = Path(sys.executable).with_name("purse")
SNAPSHOT_DATE = Param(
    None,
    type=["null", "string"],
    format="date",
    title="Snapshot date",
    description="Only orders before this day are seen. Empty: the day after the lake's last complete day.",
)


class MlflowLink(BaseOperatorLink):
    """The button that opens the step's run in MLflow."""

    name = "Open in MLflow"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002  # Airflow's form
        """Empty, and so no button, if the step names no run."""
        return BaseXCom.get_value(ti_key=ti_key, key="run_url") or ""


class DataDocsLink(BaseOperatorLink):
    """The button that opens the step's validation report, which plugins/data_docs.py serves."""

    name = "Data Docs"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002  # Airflow's form
        """A path on Airflow's own server; empty if the step wrote no report."""
        page = BaseXCom.get_value(ti_key=ti_key, key="data_docs")
        return f"/data-docs/{Path(page).relative_to(load_settings().data_docs)}" if page else ""


class Step(DecoratedOperator, BashOperator):
    """One `purse` command. Its arguments are quoted after templating, so no value is ever read as code."""

    template_fields = DecoratedOperator.template_fields
    operator_extra_links = (MlflowLink(), DataDocsLink())
    custom_operator_name = "purse"

    def __init__(self, *, result_key: str | None = None, **kwargs: object) -> None:
        """Read the whole result, or only one part of it.

        A task can only be mapped over another's whole result, so a list is taken out of it here.
        """
        super().__init__(
            bash_command="",
            output_processor=json.loads,
            **kwargs,
        )
        self.result_key = result_key

    def execute(self, context: Context) -> object:
        """Run the command and return its result.

        Raises:
            AirflowException: the command failed; its message is above in the log.
            AirflowSkipException: there is nothing to do yet.
        """
        command = shlex.join([str(PURSE), *self.python_callable(**self.op_kwargs), "--json"])
        self.log.info("By hand: %s", command)
        # stderr joins stdout in the log: held back, the result stays last whatever is said while the interpreter ends
        self.bash_command = f"result=$({command}) && printf '%s\\n' \"$result\""
        result = BashOperator.execute(self, context)
        for asset in self.outlets:
            context["outlet_events"][asset].extra = {"snapshot_date": result["snapshot_date"]}
        if self.result_key is None:
            return result
        if "run_url" in result:  # the button needs it beside the part
            context["ti"].xcom_push(key="run_url", value=result["run_url"])
        return result[self.result_key]


def purse(
    *words: str, task_id: str | None = None, result_key: str | None = None, **task_arguments: object
) -> TaskDecorator:
    """The task that runs `purse WORDS`; call it, or map it, with the options that are known at run time.

    `purse("sweep", "--tabular").partial(snapshot_date=day).expand(worker=names)` runs
    `purse sweep --tabular --snapshot-date 2001-02-01 --worker w1 --json` and so on; an empty option is left out.
    """

    def arguments(**options: str | None) -> list[str]:
        given = {name.strip("_").replace("_", "-"): value for name, value in options.items() if value}
        return [*words, *(word for name, value in given.items() for word in (f"--{name}", value))]

    return task_decorator_factory(
        arguments,
        decorated_operator_class=Step,
        task_id=task_id or words[0].replace("-", "_"),
        multiple_outputs=result_key is None,
        result_key=result_key,
        **task_arguments,
    )


def explain_failure(context: Context) -> None:
    """Say in the log of a task that failed for good what still stands and what to do."""
    ti = context["ti"]
    logging.getLogger(__name__).error(
        "%s.%s failed for good. The champion and the last scores stay in force. Read the error above, remove its "
        "cause and clear this task in the grid, which reruns it and all that follows; a rerun replaces, "
        "it never duplicates. The Docs of this DAG are its runbook.",
        ti.dag_id,
        ti.task_id,
    )


def task_defaults() -> dict[str, Any]:
    """Arguments of every task of Purse.

    Every failure is tried again: a server that restarts or a full disk looks like any other error of a step, and
    a step that stops because of the data stops early.
    """
    settings = load_settings().airflow
    return {
        "owner": "purse",
        "queue": settings.queue,
        "retries": settings.retries,
        "retry_delay": timedelta(seconds=20),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=10),
        "execution_timeout": timedelta(hours=1),
        "on_failure_callback": explain_failure,
    }
