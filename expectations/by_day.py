"""Rules of the days of a table: the day has rows, as many as usual, distributed as usual.

These rules are warnings: a campaign or a holiday is not a fault. Only a new day whose ids are all unknown, or on which
nobody bought, stops validation: its ids or amounts have another format than before.
"""

from dataclasses import replace

from expectations.rules import Rule, between, warning
from expectations.shift import REFERENCE_DAYS, SPREADS, WEEKS

SHIFT = "{}_shift"
"""Name of the column with the shift of another column, see `expectations.shift.shift`."""

COMPARED = {
    "order_lines": ("quantity", "unit_price", "amount"),
    "users": ("age_band", "gender", "occupation"),
    "products": ("category", "list_price"),
    "events": ("event_type", "channel", "dwell_seconds"),
}
"""Columns of each table whose distributions are compared; a column that the table lacks is skipped."""

OF_USUAL = "{}_of_usual"
"""Name of the column with a share in proportion to the usual one, see `expectations.usual_share.of_usual`."""

KNOWN = {
    "order_lines": ("user_id", "product_id"),
    "events": ("user_id", "product_id"),
}
"""Ids of each log whose share of ids seen before is compared."""

PURCHASES = "purchases"
"""Share of order lines with a positive amount."""

SNAPSHOT_VOLUME = 5.0
"""Maximum change of the number of users from one snapshot to the next, in tenths."""

SNAPSHOT_SHIFT = 4.0
"""Maximum shift from one snapshot to the next, in multiples of `LEAST_SHIFT`. Calendar and tenure move by themselves;
a larger shift means broken data. Drift is left to monitoring, with thresholds learned from undisturbed data."""


def of_snapshot(columns: tuple[str, ...]) -> tuple[Rule, ...]:
    """Rules of a snapshot's features or predictions against the previous snapshot.

    >>> [rule.name for rule in of_snapshot(("volume", "score_shift"))]
    ['volume_usual', 'score_shift_usual']

    Args:
        columns: `volume` (see `shift.volume_between`) and `SHIFT` columns (see `shift.shift_between`).
    """
    usual = "the number of users is 0.5 to 1.5 times the number in the previous snapshot"
    rules = [replace(between("volume", -SNAPSHOT_VOLUME, SNAPSHOT_VOLUME, "usual"), description=usual)]
    rules += _shift_rules(columns, SNAPSHOT_SHIFT, "is distributed nearly as in the previous snapshot")
    return tuple(warning(rule) for rule in rules)


def suite(columns: tuple[str, ...], *, log: bool, least: float = 0.0, stops: bool = False) -> tuple[Rule, ...]:
    """Rules of the measures of a table's days.

    >>> [rule.name for rule in suite(("day", "rows", "volume", "amount_shift"), log=True)]
    ['rows_there', 'volume_usual', 'amount_shift_usual']

    Args:
        columns: `day`, `rows`, `volume` (see `shift.volume`), a `SHIFT` column for each compared column and an
            `OF_USUAL` column for each compared share.
        log: whether every day must have rows; users and products may not change for days.
        least: minimum of the `OF_USUAL` columns; 0: no such rules.
        stops: whether these rules are critical.
    """
    usual = (
        f"the number of rows is within {SPREADS:g} spreads of the median of this weekday in the {WEEKS} weeks before"
    )
    rules = [replace(between("volume", -SPREADS, SPREADS, "usual"), description=usual)]
    if log:
        rules.insert(0, replace(between("rows", 1, None, "there"), description="the day has rows"))
    usual = f"is distributed as on the {REFERENCE_DAYS} days before; 1 is the largest usual shift"
    rules += _shift_rules(columns, 1.0, usual)
    shares = [_share_rule(column, least) for column in columns if least and column.endswith(OF_USUAL.format(""))]
    return (*map(warning, rules), *(shares if stops else map(warning, shares)))


def _share_rule(column: str, least: float) -> Rule:
    """Rule of an `OF_USUAL` column."""
    name = column.removesuffix(OF_USUAL.format(""))
    share = "order lines with a positive amount" if name == PURCHASES else f"known values of {name}"
    usual = f"the share of {share} is at least {least:g} of the usual share"
    return replace(between(column, least, None, "enough"), description=usual)


def _shift_rules(columns: tuple[str, ...], highest: float, usual: str) -> list[Rule]:
    """Rules of the `SHIFT` columns: at most `highest`; `usual` completes the description."""
    ending = SHIFT.format("")
    return [
        replace(between(column, None, highest, "usual"), description=f"{column.removesuffix(ending)} {usual}")
        for column in columns
        if column.endswith(ending)
    ]
