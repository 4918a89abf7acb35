"""What became of a suite, in plain Python."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from expectations.rules import Severity

EXAMPLES = 3


@dataclass(frozen=True)
class RuleResult:
    """What became of one rule.

    Attributes:
        rule, description, severity: of the rule.
        success: whether it holds.
        failing: rows or days that break it; 0 for a statement about the table.
        examples: values, or days with the value that breaks it.
        unit: what was checked.
    """

    rule: str
    description: str
    severity: Severity
    success: bool
    failing: int
    examples: tuple[str, ...]
    unit: Literal["rows", "days"] = "rows"


@dataclass(frozen=True)
class ValidationReport:
    """What became of a suite over `rows` rows and, where days were checked as well, `days` days.

    `data_docs` is its page.
    """

    name: str
    rows: int
    results: tuple[RuleResult, ...]
    data_docs: Path | None
    days: int = 0

    def failed(self, severity: Severity) -> tuple[RuleResult, ...]:
        """The broken rules of this severity."""
        return tuple(result for result in self.results if not result.success and result.severity == severity)

    def describe(self, result: RuleResult) -> str:
        """One line: the table, the rule, how many rows or days, examples."""
        of = self.days if result.unit == "days" else self.rows
        count = f" in {result.failing:,} of {of:,} {result.unit}" if result.failing else ""
        examples = f", such as {', '.join(result.examples)}" if result.examples else ""
        return f"{self.name}: rule '{result.rule}' ({result.description}) is broken{count}{examples}"


def together(reports: Sequence[ValidationReport]) -> ValidationReport:
    """One report of a table that was checked in portions by the same rules; the page is the last portion's."""
    results = []
    for parts in zip(*(report.results for report in reports), strict=True):
        examples = dict.fromkeys(example for part in parts for example in part.examples)
        one = replace(
            next((part for part in parts if not part.success), parts[-1]),
            success=all(part.success for part in parts),
            failing=sum(part.failing for part in parts),
            examples=tuple(examples)[:EXAMPLES],
        )
        results.append(one)
    last = reports[-1]
    rows, days = (sum(getattr(report, name) for report in reports) for name in ("rows", "days"))
    return ValidationReport(last.name, rows, tuple(results), last.data_docs, days)
