"""Result of a suite, in plain Python."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from expectations.rules import Severity

EXAMPLES = 3
"""Maximum number of days named for a broken rule."""


@dataclass(frozen=True)
class RuleResult:
    """Result of one rule.

    Attributes:
        rule, description, severity: name, description and severity of the rule.
        success: whether the rule holds.
        failing: number of rows or days that break it; 0 for a rule about the whole table.
        examples: days that break it, with their value. A row gives none: the report goes to logs, results and XCom, and
            values of rows, such as the id of a user, are shown in Data Docs and quarantine only.
        unit: whether rows or days were checked.
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
    """Result of a suite.

    >>> result = RuleResult("amount_finite", "amount is finite", "critical", False, 2, ())
    >>> report = ValidationReport("order_lines", 10, (result,), None)
    >>> report.describe(result)
    "order_lines: rule 'amount_finite' (amount is finite) is broken in 2 of 10 rows"
    >>> report.failed("warning")
    ()

    Attributes:
        name: name of the table.
        rows: number of rows checked.
        results: result of each rule.
        data_docs: path of the page; None without Data Docs.
        days: number of days checked.
    """

    name: str
    rows: int
    results: tuple[RuleResult, ...]
    data_docs: Path | None
    days: int = 0

    def failed(self, severity: Severity) -> tuple[RuleResult, ...]:
        """Results of the broken rules of a severity."""
        return tuple(result for result in self.results if not result.success and result.severity == severity)

    def describe(self, result: RuleResult) -> str:
        """One line with table, rule, number of rows or days, and the first days."""
        of = self.days if result.unit == "days" else self.rows
        count = f" in {result.failing:,} of {of:,} {result.unit}" if result.failing else ""
        examples = f", such as {', '.join(result.examples)}" if result.examples else ""
        return f"{self.name}: rule '{result.rule}' ({result.description}) is broken{count}{examples}"


def together(reports: Sequence[ValidationReport]) -> ValidationReport:
    """Merge the reports of a table that was checked in portions by the same rules.

    >>> result = RuleResult("amount_finite", "amount is finite", "critical", False, 2, ())
    >>> merged = together([ValidationReport("order_lines", 10, (result,), None)] * 2)
    >>> merged.rows, merged.results[0].failing
    (20, 4)

    Args:
        reports: one or more reports with the same rules in the same order; the merged report has the page of the last.
    """
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
