"""Limits of what validation may quarantine, by rows and by money, and warnings below them."""

from collections.abc import Mapping
from datetime import date

from expectations.staged import FIRST_OF_ITS_KEY, NEAR, OF_SOMEBODY, without_record
from pipelines.settings import Settings
from pipelines.validate.money import Money
from pipelines.validate.verdicts import TableVerdict

WORTH_TELLING = 0.01
"""Share of rows or money from which the rows that break a rule are a warning."""

IMPOSSIBLE = "amount_not_impossible"

HINTS = {
    "user_id_not_null": " Rows without a user id: nobody: [''] in the source file leaves them out.",
    FIRST_OF_ITS_KEY: " Rows with the key of an earlier row: if exports overlap, distinct: true in the source file "
    "makes equal rows one, and duplicates: last keeps the newest.",
    IMPOSSIBLE: " Setting preprocessing.winsorise would not have helped: it clips features afterwards.",
}
"""Ways out by broken rule."""


def above_limit(settings: Settings, verdict: TableVerdict, start: date, end: date) -> str | None:
    """Error message for a quarantined share of rows or money above the limit, otherwise None.

    Rows without a time belong to no period and are staged as a whole: they count against all staged rows.
    """
    limit, name = settings.ingest.max_quarantined_share, verdict.table.name
    accepted, bad = verdict.accepted(undated=False), verdict.faulty(undated=False)
    undated = verdict.faulty(undated=True)
    first = next((portion.first_bad for portion in verdict.portions if portion.first_bad), None)
    money, most = verdict.money, max(settings.ingest.max_quarantined_money, limit)
    few = bad <= limit * (accepted + bad) and undated <= limit * verdict.staged_rows
    if first is None or (few and money.lost <= most * (money.kept + money.lost)):
        return None
    reasons = ", ".join(_reason(rule, count, money) for rule, count in _sorted(verdict.reasons))
    worth = f" They are worth about {_of(money.lost, money)}; ingest.max_quarantined_money allows {most:.1%}."
    example = without_record(first["fault"] or first["reason"])
    hints = "".join(hint for rule, hint in HINTS.items() if rule in verdict.reasons and rule != IMPOSSIBLE)
    unread = " The warnings of 'purse ingest' name the expression that reads it." if " is not a " in example else ""
    return (
        f"Source '{settings.source}', table '{name}': from {start} to {end} (exclusive), {bad:,} of {accepted + bad:,} "
        f"rows break a critical rule, and {undated:,} of all {verdict.staged_rows:,} have no readable time; "
        f"ingest.max_quarantined_share allows {limit:.1%}.{worth if money.lost else ''} Broken rules: {reasons}; "
        f"first in {first['source_file']} line {first['source_line']}: {example}.{unread}{hints} "
        f"The rows are in quarantine/{name} (see {verdict.report.data_docs}); the raw tables are unchanged. "
        "Correct the source and run 'purse ingest' and 'purse validate' again, or raise the limit."
    )


def quarantined(verdict: TableVerdict) -> list[str]:
    """Warn about each rule that took many rows, much money, times ahead of the others, or an impossible amount."""
    name, money = verdict.table.name, verdict.money
    rows = sum(verdict.accepted(undated=undated) + verdict.quarantined(undated=undated) for undated in (True, False))
    result = []
    for rule, count in _sorted(verdict.reasons):
        much = money.by_rule[rule] >= WORTH_TELLING * (money.kept + money.lost) > 0
        if rule == OF_SOMEBODY:
            result.append(_left_out(name, count, rows, money))
        elif count >= WORTH_TELLING * rows or much or rule.endswith(NEAR) or rule == IMPOSSIBLE:
            worth = f", worth about {_of(money.by_rule[rule], money)}" if money.by_rule[rule] else ""
            result.append(f"{name}: {count:,} of {rows:,} rows break '{rule}'{worth}; they are in quarantine/{name}")
            result[-1] += f".{HINTS[rule]}" if rule in HINTS else ""
    return result


def _left_out(name: str, count: int, rows: int, money: Money) -> str:
    """Say what the source leaves out by `nobody`."""
    size = money.by_rule[OF_SOMEBODY]
    worth = f", worth {size:,.2f} ({size / (money.kept + money.lost + size):.1%} of money)" if size else ""
    return (
        f"{name}: {count:,} of {rows:,} rows are nobody's, as the source says{worth}: left out, see quarantine/{name}"
    )


def _sorted(reasons: Mapping[str, int]) -> list[tuple[str, int]]:
    """Rules by the number of rows that break them, most first."""
    return sorted(reasons.items(), key=lambda reason: (-reason[1], reason[0]))


def _reason(rule: str, count: int, money: Money) -> str:
    worth = f" rows, about {_of(money.by_rule[rule], money)}" if money.by_rule[rule] else ""
    return f"{rule} ({count:,}{worth})"


def _of(part: float, money: Money) -> str:
    total = money.kept + money.lost
    return f"{part:,.2f} of {total:,.2f} ({part / total:.1%} of money)" if total else f"{part:,.2f}"
