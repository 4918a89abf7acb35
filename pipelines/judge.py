"""Judge the staged rows of one table: which are kept, which go to quarantine and why."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import or_

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from expectations import events, order_lines, products, runner, users
from expectations.rules import Rule
from expectations.staged import COPY
from features.schema import Table
from pipelines import lake
from pipelines.errors import PurseError
from pipelines.settings import Settings

SUITES: dict[str, Callable[[tuple[str, ...]], tuple[Rule, ...]]] = {
    "order_lines": order_lines.suite,
    "users": users.suite,
    "products": products.suite,
    "events": events.suite,
}


@dataclass(frozen=True)
class Judged:
    """A table's staged rows, split; `staged_rows` counts all days, `report` is the verdict on the given ones."""

    table: Table
    kept: pa.Table
    quarantined: pa.Table
    staged_rows: int
    report: runner.ValidationReport

    @property
    def reasons(self) -> dict[str, int]:
        """Quarantined rows by the rule they break, most frequent first; a row that breaks two counts for both."""
        counted: Counter[str] = Counter()
        for combination in self.quarantined["reason"].value_counts().to_pylist():
            counted.update(dict.fromkeys(combination["values"].split(", "), combination["counts"]))
        return dict(counted.most_common())


def judge(settings: Settings, connection: ibis.BaseBackend, table: Table, start: date, end: date) -> Judged:
    """Judge the rows with `start <= day < end`, and those without a readable time.

    Raises:
        PurseError: the staged rows changed meanwhile.
    """
    staged = lake.read(connection, settings, f"staging/{table.name}")
    rules = SUITES[table.name](tuple(staged.columns))
    given = staged.filter(((staged.day >= start) & (staged.day < end)) | (staged.day == lake.UNDATED))
    earlier = staged.filter((staged.day < start) & (staged.day != lake.UNDATED) & staged.fault.isnull())
    numbered = _with_copies(given, earlier, table)
    rows = numbered.mutate(reason=broken_rules(numbered, rules)).to_pyarrow()
    frame = rows.select(sorted({column for rule in rules for column in rule.columns})).to_pandas()
    canonical = [column.name for column in table.columns if column.name in staged.columns]
    judged = Judged(
        table=table,
        kept=rows.filter(pc.is_null(rows["reason"])).select([*canonical, "day"]),
        quarantined=rows.filter(pc.is_valid(rows["reason"])).drop_columns([COPY]),
        staged_rows=int(staged.count().execute()),
        report=runner.validate(frame, rules, table.name, end, settings.data_docs),
    )
    rows_in, rows_out = int(given.count().execute()), judged.kept.num_rows + judged.quarantined.num_rows
    if rows_in != rows_out:
        raise PurseError(
            f"staging/{table.name} holds {rows_in:,} rows from {start} up to {end}, but {rows_out:,} were judged. "
            "Nothing was written; let a running 'purse ingest' end and run 'purse validate' again."
        )
    return judged


def _with_copies(given: ir.Table, earlier: ir.Table, table: Table) -> ir.Table:
    """The given rows, each with how many rows come before it under the same key, earlier days included.

    Earlier days count so that a month gives the same rows in one run and day by day. Rows that cannot be read come
    last: a line that is delivered again after its repair is not the copy. An incomplete key has no copies.
    """
    key = list(table.key)
    known = earlier.semi_join(given, key).group_by(key).aggregate(earlier_copies=lambda rows: rows.count())
    unreadable = given.fault.notnull() | given[table.time].isnull()
    order = [unreadable, given.day, given.source_file, given.source_line]
    incomplete = reduce(or_, [given[column].isnull() for column in key])
    before = ibis.row_number().over(ibis.window(group_by=key, order_by=order))
    numbered = given.mutate(before=ibis.ifelse(incomplete, 0, before)).left_join(known, key)
    copies = (numbered.before + numbered.earlier_copies.fill_null(0)).cast("int64")
    return numbered.mutate(**{COPY: copies}).select([*given.columns, COPY])


def broken_rules(rows: ir.Table, rules: tuple[Rule, ...]) -> ir.StringValue:
    """The names of the critical rules that a row breaks, joined by ", "; null if it breaks none."""
    names = [
        ibis.ifelse(rule.holds(rows), ibis.null("string"), rule.name)
        for rule in rules
        if rule.severity == "critical" and rule.holds
    ]
    return ibis.literal(", ").join(names).nullif("")
