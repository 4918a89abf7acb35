"""Rules of staged events."""

from datetime import datetime

from expectations.rules import Rule, applicable, between, finite, not_negative, not_null, one_of, warning
from expectations.staged import NOTHING, Known, required_id, staged_rules
from expectations.text_rules import not_blank
from features.schema import EVENT_TYPES, EVENTS

SECONDS_PER_DAY = 86_400.0


def suite(columns: tuple[str, ...], known: Known = NOTHING) -> tuple[Rule, ...]:
    """Rules of staged events.

    Two rules are warnings. An event type that no feature reads is legal, but usually the source's mapping forgot it. A
    dwell time of more than a day is usually a page left open.

    >>> [rule.name for rule in suite(("event_id", "event_type")) if rule.severity == "warning"]
    ['event_id_trimmed', 'event_type_well_encoded', 'has_rows', 'event_type_one_of']

    Args:
        columns: columns of the table.
        known: facts about the table that its rows do not show.
    """
    required = (
        not_blank("event_id"),
        *required_id("user_id"),
        between("occurred_at", datetime(1990, 1, 1), datetime(2100, 1, 1), "plausible"),  # noqa: DTZ001  # shop's own time
        not_null("event_type"),
        not_blank("event_type"),
        warning(one_of("event_type", EVENT_TYPES)),
    )
    optional = (
        finite("dwell_seconds"),
        not_negative("dwell_seconds"),
        warning(between("dwell_seconds", None, SECONDS_PER_DAY, "at_most_a_day")),
    )
    return staged_rules(EVENTS, columns, known) + required + applicable(optional, columns)
