"""Tables at the end of the demo, from the results of the steps; and a breakdown of the time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from pipelines import links
from pipelines.results.data import Validated
from pipelines.results.decision import Decided, Evaluated
from pipelines.results.scoring import Scored
from pipelines.results.training import Trained
from pipelines.settings import Settings
from pipelines.tracking.experiments import runs_page
from pipelines.tracking.login import mlflow_login
from stack import airflow_home

SHOWN_BASELINES = ("previous_window", "linear_rfm", "spend_decayed_56d")

Interval = tuple[datetime, datetime]
Row = Mapping[str, Any]
"""Row of `predictions`."""


@dataclass(frozen=True)
class Span:
    """Start and end of a task, and the seconds that its step reported."""

    start: datetime
    end: datetime
    starting: float
    computing: float


@dataclass(frozen=True)
class Outcome:
    """Results of the demo's steps."""

    validated: Validated
    trained: Trained
    measured: Evaluated
    decided: Decided
    scored: Scored


def show(settings: Settings, outcome: Outcome, examples: Sequence[Row], console: Console) -> None:
    """Print the closing tables.

    Args:
        settings: the settings of the run.
        outcome: results of the steps.
        examples: rows of `predictions` to show.
        console: console to print on.
    """
    validated, measured, scored, decided = outcome.validated, outcome.measured, outcome.scored, outcome.decided
    parts = (
        (f"Data from {validated.from_date} to {validated.to_date}", rows_table(validated)),
        (
            f"The model, measured on {measured.users:,} users. {decided.description}",
            model_table(outcome.trained, measured, decided),
        ),
        (f"{scored.rows:,} users scored as of {scored.snapshot_date}, also in {scored.export}", tier_table(scored)),
        (f"Five of them and their next {settings.horizon_days} days", example_table(examples)),
        ("The services keep running: make status shows them, make down stops them", addresses(settings)),
    )
    for heading, table in parts:
        console.print(f"\n[bold]{heading}[/]", soft_wrap=True)
        console.print(table)


def rows_table(validated: Validated) -> Table:
    """Tabulate rows in, kept and quarantined by table."""
    table = Table("table", *(Column(name, justify="right") for name in ("rows in", "kept", "quarantined")))
    for name, counts in validated.tables.items():
        numbers = (counts.rows_in, counts.rows_kept, counts.rows_quarantined)
        table.add_row(name, *(f"{number:,}" for number in numbers))
    return table


def model_table(trained: Trained, measured: Evaluated, decided: Decided) -> Table:
    """Compare the model (and the champion if the model was not promoted) with baselines on the same test users."""
    is_champion = (decided.promoted or decided.outcome == "already_champion") and decided.baseline is None
    table = Table("model", *(Column(name, justify="right") for name in ("nGini", "bias", "decile WAPE")))
    low, high = measured.ngini_interval
    name = f"{'champion' if is_champion else 'challenger'}, version {decided.refused or decided.version}"
    table.add_row(f"{name}\n{_recipe(trained)}", *_measures(measured.measures, f" ({low:.3f} to {high:.3f})"))
    if decided.baseline:
        stand_in = measured.baselines[decided.baseline]
        table.add_row(
            f"champion, version {decided.version}\nbaseline {decided.baseline}", *_measures(stand_in.measures)
        )
    elif measured.champion and not is_champion:
        table.add_row(f"champion, version {measured.champion_version}", *_measures(measured.champion.measures))
    if decided.outcome == "champion_unusable":
        table.add_row(f"champion, version {measured.champion_version}", "not compared", "-", "-")
    for baseline in (name for name in SHOWN_BASELINES if name in measured.baselines):
        table.add_row(f"baseline {baseline}", *_measures(measured.baselines[baseline].measures))
    return table


def tier_table(scored: Scored) -> Table:
    """Tabulate users and share of expected spend by tier."""
    table = Table("tier", *(Column(name, justify="right") for name in ("users", "share of expected spend")))
    for tier, part in scored.tiers.items():
        table.add_row(tier, f"{part.users:,}", f"{part.expected_spend_share:.1%}")
    return table


def example_table(examples: Sequence[Row]) -> Table:
    """Tabulate users with their predictions and reasons, one reason per line."""
    numbers = (Column(name, justify="right") for name in ("score", "expected spend", "buys"))
    table = Table("user", "tier", *numbers, Column("because"), show_lines=True)
    for user in examples:
        spend, probability = f"{user['expected_spend']:,.0f}", f"{user['purchase_probability']:.0%}"
        reasons = user["reasons"].replace("; ", "\n")
        table.add_row(str(user["user_id"]), user["tier"], f"{user['score']:.1f}", spend, probability, reasons)
    return table


def addresses(settings: Settings) -> Table:
    """Tabulate addresses and logins of the screens."""
    table = Table("screen", "address", "login")
    table.add_row("Dashboard", links.dashboard_url(settings), "none")
    table.add_row("Airflow", links.airflow_url(settings), " / ".join(airflow_home.login(settings)))
    own = settings.mlflow.tracking_uri is None
    table.add_row("MLflow", runs_page(settings), " / ".join(mlflow_login(settings)) if own else "its own")
    return table


def spans(tasks: Sequence[Mapping[str, Any]], seconds: Sequence[Mapping[str, float]]) -> list[Span]:
    """Spans of the tasks that ran, with the seconds that each step reported (0 for a task without a step)."""
    return [
        Span(
            datetime.fromisoformat(task["start_date"]),
            datetime.fromisoformat(task["end_date"]),
            reported.get("starting", 0.0),
            reported.get("computing", 0.0),
        )
        for task, reported in zip(tasks, seconds, strict=True)
        if task["start_date"] and task["end_date"]
    ]


def time_line(ran: list[Span]) -> str:
    """Describe the elapsed time: steps computing (imports included), interpreters starting, orchestration."""
    total, computing, starting = time_split(ran)
    rest = total - computing - starting
    parts = (("computing", computing), ("starting", starting), ("orchestration", rest))
    shares = ", ".join(f"{name} {seconds:.0f} s ({seconds / total:.0%})" for name, seconds in parts)
    return f"{total:.0f} s from the first task to the last: {shares}."


def time_split(ran: list[Span]) -> tuple[float, float, float]:
    """Split the time from the first start to the last end.

    A step computes at the end of its task and starts just before. A moment counts as computing if any step computes,
    as starting if any step starts and none computes, and as orchestration otherwise.

    Returns:
        Total, computing and starting seconds.
    """
    total = (max(span.end for span in ran) - min(span.start for span in ran)).total_seconds()
    began = [(span, max(span.start, span.end - timedelta(seconds=span.computing))) for span in ran]
    computing = [(begin, span.end) for span, begin in began]
    starting = [(max(span.start, begin - timedelta(seconds=span.starting)), begin) for span, begin in began]
    busy = _covered(computing)
    return total, busy, _covered(computing + starting) - busy


def _covered(intervals: Iterable[Interval]) -> float:
    """Seconds covered by at least one interval."""
    covered, until = timedelta(), None
    for start, end in sorted(intervals):
        covered += max(end - (start if until is None else max(start, until)), timedelta())
        until = end if until is None else max(until, end)
    return covered.total_seconds()


def _recipe(trained: Trained) -> str:
    """Format the members of the model: weight, family and hyperparameters."""
    lines = []
    for member in trained.members:
        values = ", ".join(f"{name} {_short(value)}" for name, value in member.params.items())
        lines.append(f"{member.weight:.2f} of {member.family}{f' ({values})' if values else ''}")
    return "\n".join(lines)


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _measures(measures: dict[str, float], interval: str = "") -> tuple[str, str, str]:
    return f"{measures['ngini']:.3f}{interval}", f"{measures['bias']:+.1%}", f"{measures['decile_wape']:.3f}"
