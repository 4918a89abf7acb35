"""Compare the validated days with the rows that would replace them: a day may lose rows to quarantine or the source."""

from datetime import timedelta
from functools import cache

from ibis.backends.duckdb import Backend

from pipelines.lake import commit_log, tables
from pipelines.lake.losses import After, describe, key_columns, losses, sizes
from pipelines.lake.missing import named
from pipelines.settings import Settings
from pipelines.validate.verdicts import TableVerdict

A_DAY = timedelta(days=1)


def lost_days(settings: Settings, connection: Backend, verdict: TableVerdict) -> str | None:
    """Error message if a raw day would lose more than `ingest.max_lost_share` of its rows or sales, otherwise None.

    Args:
        settings: name the lake and the limit.
        connection: the verdict's connection.
        verdict: verdict on the table.
    """
    table, name = verdict.table, f"raw/{verdict.table.name}"
    if not tables.exists(settings, name):
        return None
    raw = tables.open_table(settings, name)
    compared = set(verdict.days.selected) & set(commit_log.files(raw))
    before = tables.read_opened(connection, raw, compared)
    keys = key_columns(table, before.columns)

    @cache
    def accepted() -> str:
        chosen = [portion.accepted.select(keys) for portion in verdict.portions]
        return str(tables.hold(connection, *chosen).get_name())

    found = losses(
        connection.con,
        table,
        sizes(connection.con.sql(connection.compile(before))),
        lambda day: tables.read_opened(connection, raw, [day]).select(keys).to_pyarrow(),
        After(verdict.sizes, accepted),
        settings.ingest.max_lost_share,
    )
    if not found:
        return None
    dated = [loss.day for loss in found if loss.day != tables.UNDATED]
    range_ = f" --from {dated[0]} --to {dated[-1] + A_DAY}" if dated else ""
    reasons = ", ".join(f"{rule} ({count:,})" for rule, count in verdict.reasons.items())
    return (
        f"Source '{settings.source}': validated days would lose more than {settings.ingest.max_lost_share:.0%} of "
        f"their rows or sales (ingest.max_lost_share): {describe(table.name, found)}. "
        + (f"Rows in quarantine/{table.name}, by broken rule: {reasons}. " if reasons else "")
        + "The raw tables are unchanged. Repair the source and run 'purse ingest' and 'purse validate' again, or "
        f"replace these days on purpose: 'purse validate{range_} --replace'."
    )


def kept_days(settings: Settings, verdict: TableVerdict) -> list[str]:
    """Warning about raw days that are no longer staged and were kept."""
    days = verdict.days.kept
    if not days:
        return []
    rows = commit_log.row_counts(tables.open_table(settings, f"raw/{verdict.table.name}"))
    count, range_ = sum(rows.get(day, 0) for day in days), f"--from {days[0]} --to {days[-1] + A_DAY}"
    text = f"{verdict.table.name}: {count:,} validated rows of {named(days)} are no longer staged; they are kept."
    return [f"{text} To delete them on purpose, run 'purse validate {range_} --replace'."]
