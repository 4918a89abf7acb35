"""The command line: one subcommand per step, the backtest, and the embedded stack."""

import logging
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from pipelines.cli_expectations import app as expectations
from pipelines.cli_keys import app as keys
from pipelines.cli_simulate import simulate
from pipelines.cli_stack import AsJson, demo, down, logs, serve, show, status, up
from pipelines.errors import PurseError
from pipelines.runner import Result, run_step
from pipelines.settings import Settings, load_settings

QUIET = {
    "DO_NOT_TRACK": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
}

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Purse tells how much purchasing power each user of a shop has. The steps run in the order shown; each can be "
    "run again and replaces what it wrote. Settings: conf/purse.yaml, a file named by PURSE_CONFIG, PURSE_* variables.",
)
DATA, MODEL, STACK = "Data", "Model and scores", "Embedded stack"
console = Console(stderr=True)

From = Annotated[
    datetime | None,
    typer.Option("--from", formats=["%Y-%m-%d"], help="First day. Default: see above.", show_default=False),
]
To = Annotated[
    datetime | None,
    typer.Option("--to", formats=["%Y-%m-%d"], help="The day after the last. Default: to the end.", show_default=False),
]
Snapshot = Annotated[
    datetime | None,
    typer.Option(
        "--snapshot-date",
        formats=["%Y-%m-%d"],
        help="Exclusive end of the data that is used. Default: the day after the lake's last day.",
        show_default=False,
    ),
]


def _day(value: datetime | None) -> date | None:
    return value.date() if value else None


def _snapshot_date(settings: Settings, given: datetime | None) -> date:
    from pipelines.lake import resolve_snapshot_date

    return resolve_snapshot_date(settings, _day(given), datetime.now(UTC).date())


def _step(name: str, given: datetime | None, step: Callable[[Settings, date], Result], *, as_json: bool) -> None:
    """Run a step of one snapshot and show its result."""
    settings = load_settings()
    snapshot_date = _snapshot_date(settings, given)
    with _working(f"{name} {snapshot_date}"):
        result = run_step(settings, snapshot_date, name, lambda: step(settings, snapshot_date))
    show(result, as_json=as_json)


def _working(what: str) -> AbstractContextManager[object]:
    """A spinner for a person who waits; nothing in a log."""
    return console.status(what) if console.is_terminal else nullcontext()


@app.command(rich_help_panel=DATA)
def ingest(
    from_: From = None,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Read days of the source into staging, as they arrived; by default from some days before the newest loaded on."""
    from pipelines.ingest import ingest as step

    settings = load_settings()
    with _working("ingest"):
        result = run_step(settings, None, "ingest", lambda: step(settings, _day(from_), _day(to)))
    show(result, as_json=as_json)


@app.command(rich_help_panel=DATA)
def validate(
    from_: From = None,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Check staged days, by default all: good rows become raw data, the others go to quarantine with their reason."""
    from pipelines.validate import validate as step

    settings = load_settings()
    with _working("validate"):
        result = run_step(settings, None, "validate", lambda: step(settings, _day(from_), _day(to)))
    show(result, as_json=as_json)


@app.command("snapshot-date", rich_help_panel=DATA)
def snapshot_date(
    snapshot_date: Snapshot = None,
    purpose: Annotated[
        Literal["training", "scoring"],
        typer.Option("--for", help="scoring: stop with exit code 99 while there is no champion to score with."),
    ] = "training",
    as_json: AsJson = False,
) -> None:
    """Say which snapshot date a run without one would take; stop when the data is stale."""
    settings = load_settings()
    found = _snapshot_date(settings, snapshot_date)
    if purpose == "scoring":
        from pipelines.score import champion_version

        champion_version(settings)
    show({"snapshot_date": found.isoformat()}, as_json=as_json)


@app.command("build-features", rich_help_panel=DATA)
def build_features(
    snapshot_date: Snapshot = None,
    purpose: Annotated[
        Literal["training", "scoring"],
        typer.Option("--for", help="training: the rolling snapshots before the date; scoring: the date itself."),
    ] = "scoring",
    as_json: AsJson = False,
) -> None:
    """Compute the features of users with a purchase before the snapshot, and of those known without one."""
    from pipelines.build_features import build_features as step

    # kept apart: a scoring run may build beside a retraining of the same date
    name = "build_features" if purpose == "training" else "build_scoring_features"
    _step(name, snapshot_date, lambda s, d: step(s, d, purpose), as_json=as_json)


@app.command(rich_help_panel=MODEL)
def split(snapshot_date: Snapshot = None, as_json: AsJson = False) -> None:
    """Join features with labels into a training set: which snapshots train, validate and test."""
    from pipelines.split import split as step

    _step("split", snapshot_date, step, as_json=as_json)


@app.command(rich_help_panel=MODEL)
def sweep(
    snapshot_date: Snapshot = None,
    plan_only: Annotated[bool, typer.Option("--plan-only", help="Only plan the trials, for workers to share.")] = False,
    worker: Annotated[str | None, typer.Option(help="Only work on a planned sweep, under this name.")] = None,
    tabular: Annotated[bool, typer.Option("--tabular", help="Only families that are not networks.")] = False,
    networks: Annotated[bool, typer.Option("--networks", help="Only networks.")] = False,
    as_json: AsJson = False,
) -> None:
    """Try families and hyperparameters: plan the trials and run them, or be one of several workers."""
    from pipelines import sweep as steps

    kind: steps.Kind = "tabular" if tabular else "networks" if networks else "all"
    if worker is None:
        _step("plan_sweep", snapshot_date, steps.plan, as_json=as_json)
    if not plan_only:
        name = worker or "command-line"  # a planned worker's name would take its trials for dead
        _step(f"sweep_{name}", snapshot_date, lambda s, d: steps.work(s, d, name, kind), as_json=as_json)


@app.command(rich_help_panel=MODEL)
def train(snapshot_date: Snapshot = None, as_json: AsJson = False) -> None:
    """Refit the best families of the sweep, blend them where that helps, and log the model to MLflow."""
    from pipelines.train import train as step

    _step("train", snapshot_date, step, as_json=as_json)


@app.command(rich_help_panel=MODEL)
def evaluate(snapshot_date: Snapshot = None, as_json: AsJson = False) -> None:
    """Measure the trained model, the champion and the baselines on the test window."""
    from pipelines.evaluate import evaluate as step

    _step("evaluate", snapshot_date, step, as_json=as_json)


@app.command(rich_help_panel=MODEL)
def register(snapshot_date: Snapshot = None, as_json: AsJson = False) -> None:
    """Register the trained model as the challenger."""
    from pipelines.register import register as step

    _step("register", snapshot_date, step, as_json=as_json)


@app.command(rich_help_panel=MODEL)
def promote(snapshot_date: Snapshot = None, as_json: AsJson = False) -> None:
    """Make the challenger the champion if it is measurably better; say why or why not."""
    from pipelines.promote import promote as step

    _step("promote", snapshot_date, step, as_json=as_json)


@app.command(rich_help_panel=MODEL)
def score(snapshot_date: Snapshot = None, as_json: AsJson = False) -> None:
    """Score every user with the champion. Exit code 99: there is no champion yet."""
    from pipelines.score import score as step

    _step("score", snapshot_date, lambda s, d: step(s, d, datetime.now(UTC)), as_json=as_json)


@app.command(rich_help_panel=MODEL)
def deploy(as_json: AsJson = False) -> None:
    """Let the live service put the champion's newest scores into force. Exit code 99: no service runs."""
    from pipelines.deploy import deploy as step

    with _working("deploy"):
        result = step(load_settings(), datetime.now(UTC))
    show(result, as_json=as_json)


@app.command(rich_help_panel=MODEL)
def monitor(snapshot_date: Snapshot = None, as_json: AsJson = False) -> None:
    """Compare features, scores and matured scores with the champion's training. Exit code 99: there is no champion."""
    from pipelines.monitor import monitor as step

    _step("monitor", snapshot_date, step, as_json=as_json)


@app.command(rich_help_panel=MODEL)
def rollback(as_json: AsJson = False) -> None:
    """Make the previous champion the champion again, in the live service too."""
    from pipelines.rollback import rollback as step

    show(step(load_settings(), datetime.now(UTC)), as_json=as_json)


@app.command(rich_help_panel=MODEL)
def card(
    version: Annotated[str | None, typer.Option(help="Of the registered model. Default: the alias.")] = None,
    alias: Annotated[str, typer.Option(help="champion or challenger.")] = "champion",
) -> None:
    """Print the model card of a version: data, measures, slices, fairness, limits, as Markdown."""
    from pipelines.registry import read_card

    typer.echo(read_card(load_settings(), version, alias))


@app.command(rich_help_panel=MODEL)
def backtest(
    source: Annotated[str, typer.Argument(help="A name in conf/sources, or the path of a source file.")],
    cutoff: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Only data before this day is learned from.")],
    horizon_days: Annotated[int, typer.Option(help="How far ahead spend is predicted.", min=1)],
    output: Annotated[Path | None, typer.Option(help="Parquet file for the predictions.", dir_okay=False)] = None,
    families: Annotated[str | None, typer.Option(help="Families to try, with commas between.")] = None,
    trials: Annotated[int | None, typer.Option(help="Trials of the sweep over all families.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Train on data before a cutoff, predict every user with a purchase before it, and measure against baselines."""
    from pipelines.backtest import backtest as run
    from pipelines.backtest import table

    chosen = [name.strip() for name in families.split(",")] if families else None
    result = run(load_settings(), source, cutoff.date(), horizon_days, output, chosen, trials, console)
    if as_json:
        show(result, as_json=True)
    else:
        Console().print(table(result))


app.command(rich_help_panel=DATA)(simulate)
app.add_typer(expectations, name="expectations", rich_help_panel=DATA)
for command in (up, down, status, logs, serve, demo):
    app.command(rich_help_panel=STACK)(command)
app.add_typer(keys, name="keys", rich_help_panel=STACK)


def main() -> None:
    """Run the command; what a person can mend ends in a message on stderr and its exit code."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for name in ("alembic", "great_expectations", "mlflow", "optuna", "absl"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        app()
    except PurseError as error:
        console.print(f"[bold red]Error:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
