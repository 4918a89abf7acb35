"""Rules of the feature table, derived from the definitions of the features."""

from collections.abc import Sequence

from expectations.rules import LARGEST, Rule, applicable, between, finite, not_null
from expectations.table_rules import has_rows, reaches_down_to, unique, varies
from expectations.text_rules import not_blank
from features.feature import Feature
from features.units import Range

ROUNDING = 1e-6
"""Tolerance of limits, for sums of floating point numbers."""

FRESH_DAYS = 7
"""Maximum days since the shop's last order; with more, orders have stopped arriving."""


def suite(features: Sequence[Feature], columns: tuple[str, ...]) -> tuple[Rule, ...]:
    """Rules of a feature table.

    A feature with a default is never null. Its unit decides the range: a share lies in 0 to 1, a count is not negative,
    any other number is finite. A constant column is a warning.

    >>> from features.definitions import BY_NAME
    >>> columns = ("user_id", "snapshot_date", "views_trend_28d")
    >>> [rule.name for rule in suite([BY_NAME["views_trend_28d"], BY_NAME["spend_7d"]], columns)][-2:]
    ['views_trend_28d_share', 'views_trend_28d_varies']

    Args:
        features: the definitions; a feature that is not in `columns` has no rules.
        columns: columns of the table.
    """
    key = (not_null("snapshot_date"), not_null("user_id"), unique("snapshot_date", "user_id"), has_rows())
    fresh = applicable((reaches_down_to("days_since_last_order", FRESH_DAYS),), columns)
    return key + fresh + tuple(rule for feature in features if feature.name in columns for rule in _of(feature))


def _of(feature: Feature) -> tuple[Rule, ...]:
    present = () if feature.default is None else (not_null(feature.name),)
    return (*present, _in_range(feature), varies(feature.name))


def _in_range(feature: Feature) -> Rule:
    if feature.kind == "category":
        return not_blank(feature.name)
    if feature.unit.range is Range.SHARE:
        return between(feature.name, -ROUNDING, 1 + ROUNDING, "share")
    if feature.unit.range is Range.NOT_NEGATIVE:
        return between(feature.name, -ROUNDING, LARGEST, "not_negative")
    return finite(feature.name)
