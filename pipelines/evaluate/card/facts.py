"""What a model card is written from, and how it writes tables."""

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
"""A heading and its lines."""


@dataclass(frozen=True)
class Facts:
    """The results of the steps of one retraining, by step, and what MLflow's tags say of its run."""

    settings: Settings
    built: Built
    split: Split
    trained: Trained
    measured: Evaluated
    findings: Findings
    tags: dict[str, str]

    @property
    def scaled(self) -> bool:
        """Whether the families learned from labels shorter than the horizon."""
        return self.split.label_days < self.split.horizon_days

    @property
    def order_days(self) -> tuple[date, date]:
        """The first day with orders, and the last before the snapshot date."""
        days = [day for day in tables.days(self.settings, "raw/order_lines") if day < self.split.snapshot_date]
        return days[0], days[-1]


def preprocessing(facts: Facts) -> list[str]:
    """What was found in the features of the training window, and what happens to it before the members see them."""
    found = facts.trained.preprocessing
    furthest = ", ".join(f"`{name}` {share:.1%}" for name, share in found.furthest.items())
    most = f" (most: {furthest})" if furthest else ""
    gaps, outliers = found.with_gaps, found.with_outliers
    lines = [f"- {gaps} features have gaps, {outliers} have outliers{most}; see `preprocessing.csv` on the run"]
    done = {
        "left out": found.dropped,
        "gaps filled or told": found.filled,
        "outliers held at limits": found.winsorised,
    }
    lines += [f"- {what}: {', '.join(f'`{name}`' for name in names)}" for what, names in done.items() if names]
    return lines


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """A Markdown table."""
    lines = [headers, ["---"] * len(headers), *rows]
    return ["| " + " | ".join(map(str, line)) + " |" for line in lines]


def params(values: Mapping[str, Param]) -> str:
    """Hyperparameters in one line."""
    said = (f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items())
    return ", ".join(said) or "none"


def number(value: float, form: str) -> str:
    """A number in its format; "-" where it isn't defined."""
    return "-" if value != value else format(value, form)  # noqa: PLR0124 - NaN


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, each by column."""
    rows: list[dict[str, Any]] = frame.to_dict("records")  # type: ignore[assignment]  # columns are named
    return rows
