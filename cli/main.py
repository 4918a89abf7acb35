"""Command line: one subcommand per step, the backtest, and the embedded stack."""

import json
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress

import typer

from cli.champion import champion
from cli.data import build_features, ingest, snapshot_date, validate
from cli.doctor import doctor
from cli.expectations import app as expectations
from cli.keys import app as keys
from cli.model import backtest, card, deploy, evaluate, monitor, promote, register, rollback, score, split, sweep, train
from cli.simulate import simulate
from cli.sources import app as sources
from cli.stack import demo, down, logs, serve, status, up
from cli.steps import console
from cli.trust import trust
from pipelines.environment import QUIET
from pipelines.errors import NothingToDo, PurseError
from pipelines.private import UMASK, close
from pipelines.settings import load_settings

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Purse predicts the purchasing power of each user of a shop. Run the steps in the order shown; a rerun "
    "replaces a step's output. Settings: conf/purse.yaml, the file named by PURSE_CONFIG, PURSE_* variables.",
)
DATA, MODEL, STACK = "Data", "Model and scores", "Embedded stack"

COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    DATA: (ingest, validate, snapshot_date, build_features, simulate),
    MODEL: (
        split,
        sweep,
        train,
        evaluate,
        register,
        promote,
        score,
        deploy,
        monitor,
        rollback,
        champion,
        card,
        trust,
        backtest,
    ),
    STACK: (up, down, status, logs, serve, demo, doctor),
}
for panel, commands in COMMANDS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(expectations, name="expectations", rich_help_panel=DATA)
app.add_typer(sources, name="sources", rich_help_panel=DATA)
app.add_typer(keys, name="keys", rich_help_panel=STACK)


def main() -> None:
    """Run the command; print a PurseError as a message on stderr and exit with its code."""
    os.umask(UMASK)
    with suppress(PurseError):  # the command reports it
        close(load_settings().home_path)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for name in ("alembic", "great_expectations", "mlflow", "optuna", "absl"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        app()
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # a panic of a library in Rust is no Exception
        message, code = _explained(error)
        if message is None:
            raise
        _report(message, code)
        sys.exit(code)


def _report(message: str, code: int) -> None:
    """Print a message on stderr; with --json also as the last line on stdout, for the program that reads it."""
    title = "[yellow]Nothing to do:[/]" if code == NothingToDo.exit_code else "[bold red]Error:[/]"
    console.print(title, end=" ")
    console.print(message, markup=False, highlight=False, soft_wrap=True)
    if "--json" in sys.argv:
        print(json.dumps({"error": message, "exit_code": code}), flush=True)  # noqa: T201 - the command's answer


def _explained(error: BaseException) -> tuple[str | None, int]:
    """Message about an error and exit code: a service that is down, a fault of the machine, or a PurseError's own."""
    from pipelines.faults import explain
    from pipelines.outages import outage

    if down := outage(error):
        return str(down), down.exit_code
    own, code = (str(error), error.exit_code) if isinstance(error, PurseError) else (None, 1)
    try:
        return explain(load_settings(), error) or own, code
    except PurseError:
        return own, code  # the settings are at fault


if __name__ == "__main__":
    main()
