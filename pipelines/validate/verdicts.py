"""Verdicts of validation on the staged rows of a table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from expectations.report import ValidationReport, together
from expectations.staged import NOT_REPLACED, OF_SOMEBODY
from features.schema import Table
from pipelines.lake import tables
from pipelines.lake.changes import Prints
from pipelines.lake.losses import Size
from pipelines.validate.days import Days
from pipelines.validate.money import Money, money_of


@dataclass(frozen=True)
class Portion:
    """Verdict on the rows of a portion of days.

    Attributes:
        accepted: rows for the raw table, as a lazy expression.
        prints: fingerprints of the accepted rows by day, see `changes.fingerprints`.
        sizes: rows and sales of the accepted rows by day, see `losses.sizes`.
        bad: number of quarantined rows by day.
        left_out: number of quarantined rows by day that the source leaves out (`duplicates: last`, `nobody`).
        reasons: number of quarantined rows by broken rule; a row that breaks two rules counts for both.
        first_bad: first quarantined row by file and line, without those that the source leaves out.
        money: absolute amounts of accepted and quarantined rows.
        report: the validation report.
    """

    accepted: ir.Table
    prints: Prints
    sizes: Mapping[date, Size]
    bad: Mapping[date, int]
    left_out: Mapping[date, int]
    reasons: Counter[str]
    first_bad: Mapping[str, Any] | None
    money: Money
    report: ValidationReport

    @classmethod
    def of(
        cls,
        accepted: ir.Table,
        prints: Prints,
        sizes: Mapping[date, Size],
        rows: tuple[pa.Table, pa.Table],
        report: ValidationReport,
    ) -> "Portion":
        """Build the verdict; `rows` are the accepted and the quarantined ones."""
        good, bad = rows
        reasons: Counter[str] = Counter()
        for combination in bad["reason"].value_counts().to_pylist():
            reasons.update(dict.fromkeys(combination["values"].split(", "), combination["counts"]))
        places = [("source_file", "ascending"), ("source_line", "ascending")]
        said = pc.or_(pc.equal(bad["reason"], NOT_REPLACED), pc.equal(bad["reason"], OF_SOMEBODY))
        first = next(iter(bad.filter(pc.invert(said)).sort_by(places).slice(0, 1).to_pylist()), None)
        left_out = Counter(bad.filter(said)["day"].to_pylist())
        dated = bad.filter(pc.not_equal(bad["day"], pa.scalar(tables.UNDATED)))  # the others belong to no period
        return cls(
            accepted,
            prints,
            sizes,
            Counter(bad["day"].to_pylist()),
            left_out,
            reasons,
            first,
            money_of(good, dated),
            report,
        )


@dataclass(frozen=True)
class TableVerdict:
    """Verdict on a table's rows; `staged_rows` counts the rows of all staged days."""

    table: Table
    days: Days
    staged_rows: int
    portions: tuple[Portion, ...]

    @cached_property
    def report(self) -> ValidationReport:
        """Report on all portions together."""
        return together([portion.report for portion in self.portions])

    @property
    def reasons(self) -> dict[str, int]:
        """Number of quarantined rows by broken rule, most frequent first."""
        return dict(sum((portion.reasons for portion in self.portions), Counter[str]()).most_common())

    @property
    def money(self) -> Money:
        """Absolute amounts of accepted and quarantined rows."""
        return sum((portion.money for portion in self.portions), Money())

    @property
    def prints(self) -> dict[date, tuple[int, int]]:
        """Fingerprints of the accepted rows by day."""
        return {day: fingerprint for portion in self.portions for day, fingerprint in portion.prints.items()}

    @property
    def sizes(self) -> dict[date, Size]:
        """Rows and sales of the accepted rows by day."""
        return {day: size for portion in self.portions for day, size in portion.sizes.items()}

    def accepted(self, *, undated: bool) -> int:
        """Number of accepted rows with or without a day."""
        return sum(rows for day, (rows, _) in self.prints.items() if (day == tables.UNDATED) == undated)

    def quarantined(self, *, undated: bool) -> int:
        """Number of quarantined rows with or without a day."""
        return _total([portion.bad for portion in self.portions], undated=undated)

    def faulty(self, *, undated: bool) -> int:
        """Number of quarantined rows, with or without a day, without those that the source leaves out."""
        left_out = _total([portion.left_out for portion in self.portions], undated=undated)
        return self.quarantined(undated=undated) - left_out


def _total(counts: Sequence[Mapping[date, int]], *, undated: bool) -> int:
    return sum(rows for of in counts for day, rows in of.items() if (day == tables.UNDATED) == undated)
