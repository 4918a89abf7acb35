"""What validation found out about the staged rows of a table."""

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
from expectations.staged import NOT_REPLACED
from features.schema import Table
from pipelines.lake import tables
from pipelines.lake.changes import Prints
from pipelines.validate.days import Days


@dataclass(frozen=True)
class Portion:
    """What became of the rows of some days.

    Attributes:
        kept: the rows that are kept, lazily.
        prints: of the kept rows by day, see `changes.fingerprints`.
        bad: number of quarantined rows by day.
        replaced: how many of them `duplicates: last` gave up: nothing is wrong with these.
        reasons: quarantined rows by the rule they break; a row that breaks two counts for both.
        first_bad: the first quarantined row by file and line that is not one of those.
        report: the verdict.
    """

    kept: ir.Table
    prints: Prints
    bad: Mapping[date, int]
    replaced: Mapping[date, int]
    reasons: Counter[str]
    first_bad: Mapping[str, Any] | None
    report: ValidationReport

    @classmethod
    def of(cls, kept: ir.Table, prints: Prints, bad: pa.Table, report: ValidationReport) -> "Portion":
        """What is kept, with what the quarantined rows say."""
        reasons: Counter[str] = Counter()
        for combination in bad["reason"].value_counts().to_pylist():
            reasons.update(dict.fromkeys(combination["values"].split(", "), combination["counts"]))
        places = [("source_file", "ascending"), ("source_line", "ascending")]
        given_up = pc.equal(bad["reason"], NOT_REPLACED)
        first = next(iter(bad.filter(pc.invert(given_up)).sort_by(places).slice(0, 1).to_pylist()), None)
        replaced = Counter(bad.filter(given_up)["day"].to_pylist())
        return cls(kept, prints, Counter(bad["day"].to_pylist()), replaced, reasons, first, report)


@dataclass(frozen=True)
class Judged:
    """What became of a table's rows; `staged_rows` counts those of all days."""

    table: Table
    days: Days
    staged_rows: int
    portions: tuple[Portion, ...]

    @cached_property
    def report(self) -> ValidationReport:
        """The verdict on all portions."""
        return together([portion.report for portion in self.portions])

    @property
    def reasons(self) -> dict[str, int]:
        """Quarantined rows by the rule they break, most frequent first."""
        return dict(sum((portion.reasons for portion in self.portions), Counter[str]()).most_common())

    @property
    def prints(self) -> dict[date, tuple[int, int]]:
        """Of the kept rows by day."""
        return {day: found for portion in self.portions for day, found in portion.prints.items()}

    def kept(self, *, undated: bool) -> int:
        """Number of kept rows with or without a day."""
        return sum(rows for day, (rows, _) in self.prints.items() if (day == tables.UNDATED) == undated)

    def quarantined(self, *, undated: bool) -> int:
        """Number of quarantined rows with or without a day."""
        return _total([portion.bad for portion in self.portions], undated=undated)

    def faulty(self, *, undated: bool) -> int:
        """Number of quarantined rows, with or without a day, that `duplicates: last` did not give up."""
        replaced = _total([portion.replaced for portion in self.portions], undated=undated)
        return self.quarantined(undated=undated) - replaced


def _total(counts: Sequence[Mapping[date, int]], *, undated: bool) -> int:
    return sum(rows for of in counts for day, rows in of.items() if (day == tables.UNDATED) == undated)
