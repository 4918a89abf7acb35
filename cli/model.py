"""Commands for the model and its scores, from the training set to deployment, and for the backtest."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.output import AsJson, show
from cli.steps import Snapshot, console, run_for, working
from pipelines.settings import load_settings


def split(
    snapshot_date: Snapshot = None,
    unless_decided: Annotated[
        bool,
        typer.Option(
            "--unless-decided",
            help="Exit with code 99 if nothing has changed since the last decision.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Join features with labels into training sets; plan the training, validation and test snapshots."""
    from pipelines.split import split as step

    run_for("split", snapshot_date, lambda s, d: step(s, d, unless_decided=unless_decided), as_json=as_json)


def sweep(
    snapshot_date: Snapshot = None,
    plan_only: Annotated[bool, typer.Option("--plan-only", help="Only plan the trials; workers share them.")] = False,
    worker: Annotated[
        str | None, typer.Option(help="Only run trials of a planned sweep, as the worker of this name.")
    ] = None,
    tabular: Annotated[bool, typer.Option("--tabular", help="Only families that are not networks.")] = False,
    networks: Annotated[bool, typer.Option("--networks", help="Only networks.")] = False,
    as_json: AsJson = False,
) -> None:
    """Try families and hyperparameters: plan and run the trials, or run them as one of several workers."""
    from pipelines import sweep as steps

    kind: steps.Kind = "tabular" if tabular else "networks" if networks else "all"
    if worker is None:
        run_for("plan_sweep", snapshot_date, steps.plan, as_json=as_json)
    if not plan_only:
        name = (
            worker or "command-line"
        )  # under a planned worker's name, that worker's running trials would count as dead
        run_for(f"sweep_{name}", snapshot_date, lambda s, d: steps.work(s, d, name, kind), as_json=as_json)


def train(snapshot_date: Snapshot = None, as_json: AsJson = False) -> None:
    """Refit the best families of the sweep, blend them if that helps, and log the model to MLflow."""
    from pipelines.train.step import train as step

    run_for("train", snapshot_date, step, as_json=as_json)


def evaluate(snapshot_date: Snapshot = None, as_json: AsJson = False) -> None:
    """Measure the trained model, the champion and the baselines on the test window."""
    from pipelines.evaluate.step import evaluate as step

    run_for("evaluate", snapshot_date, step, as_json=as_json)


def register(snapshot_date: Snapshot = None, as_json: AsJson = False) -> None:
    """Register the trained model as the challenger."""
    from pipelines.register import register as step

    run_for("register", snapshot_date, step, as_json=as_json)


def promote(
    snapshot_date: Snapshot = None,
    replace_unusable: Annotated[
        bool,
        typer.Option("--replace-unusable", help="Approve the replacement of a champion that cannot be compared."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the challenger the champion if it is measurably better; print the reason."""
    from pipelines.promote import promote as step

    run_for("promote", snapshot_date, lambda s, d: step(s, d, replace_unusable=replace_unusable), as_json=as_json)


def score(
    snapshot_date: Snapshot = None,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Write scores even if their total is far from the last scores.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Score every user with the champion. Exit code 99: no champion exists yet."""
    from pipelines.score import score as step

    run_for("score", snapshot_date, lambda s, d: step(s, d, datetime.now(UTC), confirmed=confirm), as_json=as_json)


def deploy(as_json: AsJson = False) -> None:
    """Deploy the champion's newest scores to the live service. Exit code 99: no service runs."""
    from pipelines.deploy import deploy as step

    with working("deploy"):
        result = step(load_settings(), datetime.now(UTC))
    show(result, as_json=as_json)


def monitor(snapshot_date: Snapshot = None, as_json: AsJson = False) -> None:
    """Compare features, scores and matured scores with the champion's training. Exit code 99: no champion exists."""
    from pipelines.monitor.step import monitor as step

    run_for("monitor", snapshot_date, step, as_json=as_json)


def rollback(as_json: AsJson = False) -> None:
    """Make the previous champion the champion again, in the live service too."""
    from pipelines.rollback import rollback as step

    show(step(load_settings(), datetime.now(UTC)), as_json=as_json)


def card(
    version: Annotated[
        str | None, typer.Option(help="Version of the registered model. Default: the one with the alias.")
    ] = None,
    alias: Annotated[str, typer.Option(help="Alias: champion or challenger.")] = "champion",
) -> None:
    """Print the model card of a version: data, measures, slices, fairness, limits, as Markdown."""
    from pipelines.tracking.registry import read_card

    typer.echo(read_card(load_settings(), version, alias))


def backtest(
    source: Annotated[str, typer.Argument(help="Name in conf/sources, or path of a source file.")],
    cutoff: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Train only on data before this day.")],
    horizon_days: Annotated[int, typer.Option(help="Length of the predicted window in days.", min=1)],
    output: Annotated[Path | None, typer.Option(help="Parquet file for the predictions.", dir_okay=False)] = None,
    families: Annotated[str | None, typer.Option(help="Families to try, separated by commas.")] = None,
    trials: Annotated[int | None, typer.Option(help="Trials of the sweep over all families.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Train on data before a cutoff, predict every user with a purchase before it, and measure against baselines."""
    from cli.backtest import backtest as run
    from cli.backtest import table

    chosen = [name.strip() for name in families.split(",")] if families else None
    result = run(load_settings(), source, cutoff.date(), horizon_days, output, chosen, trials, console)
    if as_json:
        show(result, as_json=True)
    else:
        Console().print(table(result))
