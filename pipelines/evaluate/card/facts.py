"""Facts that a model card is written from, and Markdown formatting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

import pandas as pd

from pipelines.evaluate.findings import Findings
from pipelines.lake import tables
from pipelines.results.data import Built
from pipelines.results.decision import Evaluated
from pipelines.results.training import Param, Split, Trained
from pipelines.settings import Settings

Section: TypeAlias = tuple[str, list[str]]
"""Heading and lines of a section."""


@dataclass(frozen=True)
class Facts:
    """Results of the steps of one retraining, and the MLflow tags of its run."""

    settings: Settings
    built: Built
    split: Split
    trained: Trained
    measured: Evaluated
    findings: Findings
    tags: dict[str, str]

    @property
    def scaled(self) -> bool:
        """Whether the training labels are shorter than the horizon."""
        return self.split.label_days < self.split.horizon_days

    @property
    def order_days(self) -> tuple[date, date]:
        """First and last day with orders before the snapshot date."""
        days = [day for day in tables.days(self.settings, "raw/order_lines") if day < self.split.snapshot_date]
        return days[0], days[-1]


def preprocessing(facts: Facts) -> list[str]:
    """List gaps and outliers in the features of the training window, and how they are treated."""
    summary = facts.trained.preprocessing
    furthest = ", ".join(f"`{name}` {share:.1%}" for name, share in summary.furthest.items())
    most = f" (most: {furthest})" if furthest else ""
    gaps, outliers = summary.with_gaps, summary.with_outliers
    lines = [f"- {gaps} features have gaps, {outliers} have outliers{most}; see `preprocessing.csv` on the run"]
    treated = {
        "left out": summary.dropped,
        "gaps filled or marked": summary.filled,
        "outliers clipped to limits": summary.winsorised,
    }
    lines += [f"- {how}: {', '.join(f'`{name}`' for name in names)}" for how, names in treated.items() if names]
    return lines


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Format a Markdown table."""
    lines = [headers, ["---"] * len(headers), *rows]
    return ["| " + " | ".join(map(str, line)) + " |" for line in lines]


def params(values: Mapping[str, Param]) -> str:
    """Format hyperparameters in one line."""
    texts = (f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items())
    return ", ".join(texts) or "none"


def number(value: float, form: str) -> str:
    """Format a number; "-" if it is NaN."""
    return "-" if value != value else format(value, form)  # noqa: PLR0124 - NaN


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as dicts by column."""
    rows: list[dict[str, Any]] = frame.to_dict("records")  # type: ignore[assignment]  # columns are named
    return rows
