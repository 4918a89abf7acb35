"""What must hold of the days of a log: there are rows, as many as usual, and they are distributed as usual.

All of it is reported only: a campaign or a holiday is not a fault.
"""

from dataclasses import replace

from expectations.rules import Rule, between, warning
from expectations.shift import REFERENCE_DAYS, SPREADS, WEEKS

SHIFT = "{}_shift"
"""Column with what `shift.shift` says of another."""


COMPARED = {
    "order_lines": ("quantity", "unit_price", "amount"),
    "users": ("age_band", "gender", "occupation"),
    "products": ("category", "list_price"),
    "events": ("event_type", "channel", "dwell_seconds"),
}
"""Columns of each table whose distributions are compared, where they are there."""


SNAPSHOT_VOLUME = 5.0
"""Tenths by which the users of a snapshot may be more or fewer than of the one before."""

SNAPSHOT_SHIFT = 4.0
"""Times `LEAST_SHIFT`: from one snapshot to the next calendar and tenure move by themselves; what lies beyond is broken
rather than drifted. Drift is what monitoring looks for, with limits learned from quiet data."""


def of_snapshot(columns: tuple[str, ...]) -> tuple[Rule, ...]:
    """The rules of a snapshot's features or predictions against the snapshot before: `volume` and `SHIFT` columns."""
    usual = "there are between half and one and a half times as many users as in the snapshot before"
    rules = [replace(between("volume", -SNAPSHOT_VOLUME, SNAPSHOT_VOLUME, "usual"), description=usual)]
    for column in columns:
        if column.endswith(SHIFT.format("")):
            of = column.removesuffix(SHIFT.format(""))
            usual = f"{of} is distributed nearly as in the snapshot before"
            rules.append(replace(between(column, None, SNAPSHOT_SHIFT, "usual"), description=usual))
    return tuple(warning(rule) for rule in rules)


def suite(columns: tuple[str, ...], *, log: bool) -> tuple[Rule, ...]:
    """The rules of the measures of a table's days.

    Args:
        columns: `day`, `rows`, `volume` (see `shift.volume`) and a `SHIFT` column for each column compared.
        log: whether something must have happened each day; users and products may well not change for days.
    """
    usual = f"rows are within {SPREADS:g} spreads of the median of the same weekday in the {WEEKS} weeks before"
    rules = [replace(between("volume", -SPREADS, SPREADS, "usual"), description=usual)]
    if log:
        rules.insert(0, replace(between("rows", 1, None, "there"), description="the day has rows"))
    for column in columns:
        if column.endswith(SHIFT.format("")):
            of = column.removesuffix(SHIFT.format(""))
            usual = f"{of} is distributed as on the {REFERENCE_DAYS} days before; 1 is the largest usual distance"
            rules.append(replace(between(column, None, 1.0, "usual"), description=usual))
    return tuple(warning(rule) for rule in rules)
