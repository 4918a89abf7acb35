"""Backtest: run all steps from ingest to evaluate on one source, without Airflow, in a separate home."""

import hashlib
import io
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import TypeVar

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cli.runner import run_step
from pipelines.build_features.step import build_features
from pipelines.errors import PurseError
from pipelines.evaluate.step import evaluate
from pipelines.files import write_atomically
from pipelines.ingest.step import ingest
from pipelines.lake import tables
from pipelines.lake.names import FEATURE_TABLE
from pipelines.lake.rows import snapshot_rows
from pipelines.results.decision import Evaluated
from pipelines.results.result import Result, Value
from pipelines.results.training import Trained
from pipelines.retraining.snapshots import is_matured
from pipelines.score import predict
from pipelines.settings import Settings
from pipelines.split import split
from pipelines.sweep import plan, work
from pipelines.tracking.logged_model import load_model
from pipelines.train.step import train
from pipelines.validate.step import validate

COLUMNS = ["user_id", "expected_spend", "purchase_probability", "score", "tier"]
MEASURES = {
    "ngini": ("nGini", "{:.3f}"),
    "ngini_capped": ("nGinic", "{:.3f}"),
    "bias": ("bias", "{:+.2f}"),
    "decile_wape": ("dec.\nWAPE", "{:.2f}"),
    "mae": ("MAE", "{:,.1f}"),
    "auc": ("AUC", "{:.3f}"),
    "spearman": ("Spear-\nman", "{:.3f}"),
    "top10_capture": ("top\n10 %", "{:.3f}"),
}
"""Title and format of each measure in the table."""

STEPS = 8
"""Number of steps from ingest to evaluate."""

Kind = TypeVar("Kind", bound=Result)


class Backtest(Value):
    """Outcome of a backtest; `evaluate` is None if the orders end before the horizon does."""

    source: str
    cutoff: date
    horizon_days: int
    label_days: int
    users: int
    training_id: str
    family: str
    output: str | None
    evaluate: Evaluated | None


def backtest(
    settings: Settings,
    source: str,
    cutoff: date,
    horizon_days: int,
    output: Path | None,
    families: list[str] | None,
    trials: int | None,
    console: Console,
) -> Backtest:
    """Train only on data before `cutoff` and predict every user with a purchase before it.

    Args:
        settings: the settings; lake, sweep and MLflow runs go to <home>/backtests/<source>-<cutoff>-<horizon>d.
        source: name or path of the source.
        cutoff: exclusive end of the training data; later rows are used only to measure.
        horizon_days: length of the predicted and measured window from the cutoff on.
        output: Parquet file for user_id, expected_spend, purchase_probability, score and tier; None: not written.
        families: families of the sweep; None: as in the settings.
        trials: trials of the sweep; None: the number in the settings.
        console: console that shows progress.

    Raises:
        PurseError: a step failed, or a family does not exist.
    """
    own = own_settings(settings, source, cutoff, horizon_days, families, trials)
    end = cutoff + timedelta(days=horizon_days)
    first = tables.UNDATED + timedelta(days=1)
    with _progress(console) as progress:
        task = progress.add_task("", total=STEPS)

        def run(name: str, step: Callable[[], Kind]) -> Kind:
            progress.update(task, description=name)
            result = run_step(own, end, name, step)
            progress.advance(task)
            return result

        run("ingest", lambda: ingest(own, first, end))
        run("validate", lambda: validate(own, first, end))
        run("build_features", lambda: build_features(own, end, "training"))
        split_result = run("split", lambda: split(own, end))
        run("plan_sweep", lambda: plan(own, end))
        run("sweep", lambda: work(own, end, "worker-1"))
        trained = run("train", lambda: train(own, end))
        matured = is_matured(tables.days(own, "raw/order_lines")[-1], cutoff, horizon_days)
        evaluated = run("evaluate", lambda: evaluate(own, end)) if matured else None
        users = _predict(own, cutoff, trained, output)
    return Backtest(
        source=source,
        cutoff=cutoff,
        horizon_days=horizon_days,
        label_days=split_result.label_days,
        users=users,
        training_id=split_result.training_id,
        family=trained.family,
        output=str(output) if output else None,
        evaluate=evaluated,
    )


def table(result: Backtest) -> Table:
    """Tabulate the measures of the model and the baselines, one row each."""
    title = f"{result.source}, cutoff {result.cutoff}, {result.horizon_days} days, {result.users:,} users"
    output = Table(title=title, caption=_caption(result), caption_justify="left", box=box.SIMPLE_HEAD, padding=0)
    output.add_column("", no_wrap=True)
    for header, _ in MEASURES.values():
        output.add_column(header, justify="right", no_wrap=True)
    if result.evaluate:
        rows = {"model": result.evaluate.measures}
        rows |= {name: baseline.measures for name, baseline in result.evaluate.baselines.items()}
        for name, measures in rows.items():
            output.add_row(name, *(form.format(measures[measure]) for measure, (_, form) in MEASURES.items()))
    return output


def _caption(result: Backtest) -> str:
    lines = [f"model: {result.family}"]
    if result.evaluate:
        low, high = result.evaluate.ngini_interval
        lines.append(f"95 % interval of nGini: {low:.3f} to {high:.3f}")
        for name, baseline in result.evaluate.baselines.items():
            gain = baseline.gain
            lines.append(f"nGini against {name}: {gain.estimate:+.3f} ± {gain.standard_error:.3f} (standard error)")
    else:
        lines.append("The source's orders end before the horizon does, so the predictions can't be measured.")
    if result.label_days < result.horizon_days:
        lines.append(
            f"The history is short: trained on labels of {result.label_days} days, scaled to {result.horizon_days}."
        )
    if result.output:
        lines.append(f"Predictions: {result.output}")
    return "\n".join(lines)


def own_settings(
    settings: Settings, source: str, cutoff: date, horizon_days: int, families: list[str] | None, trials: int | None
) -> Settings:
    """Settings of a backtest with a separate home, so that it never touches the shop's runs and models."""
    from models.catalog import FAMILIES

    for family in families or []:
        if family not in FAMILIES:
            raise PurseError(f"--families: '{family}' is unknown. Choose from {', '.join(FAMILIES)}.")
    return settings.with_changes(
        source=source,
        home=settings.home_path / "backtests" / f"{_label(source)}-{cutoff}-{horizon_days}d",
        lake_root=None,
        source_root=settings.source_root_path,
        horizon_days=horizon_days,
        mlflow__tracking_uri=None,
        **({"sweep__families": families} if families else {}),
        **({"sweep__trials": trials} if trials else {}),
    )


def _label(source: str) -> str:
    """Folder name of a source: its name, or for a file its stem and a hash of its path."""
    path = Path(source)
    if not path.suffix:
        return source
    return f"{path.stem}-{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"


def _predict(settings: Settings, cutoff: date, trained: Trained, output: Path | None) -> int:
    """Predict the users at the cutoff, write the predictions to `output`, and return the number of users."""
    rows = snapshot_rows(tables.connect(), settings, FEATURE_TABLE, cutoff).drop("snapshot_date")
    scores = predict(load_model(settings, trained.model), rows.to_pyarrow().to_pandas())[COLUMNS]
    if output:
        content = io.BytesIO()
        scores.to_parquet(content, index=False)
        write_atomically(output, content.getvalue())
    return len(scores)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:15}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True
    )
