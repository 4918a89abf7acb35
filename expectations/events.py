"""What must hold of staged events."""

from datetime import datetime

from expectations.rules import Rule, applicable, between, finite, not_negative, not_null, one_of, warning
from expectations.staged import NOTHING, Known, required_id, staged_rules
from expectations.text_rules import not_blank
from features.schema import EVENT_TYPES, EVENTS

A_DAY_OF_SECONDS = 86_400.0


def suite(columns: tuple[str, ...], known: Known = NOTHING) -> tuple[Rule, ...]:
    """The rules of events with these columns.

    A type that no feature reads is legal, but more often a name that the source's mapping forgot; a stay of more than a
    day is a page left open. Both are reported and kept.
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
        warning(between("dwell_seconds", None, A_DAY_OF_SECONDS, "at_most_a_day")),
    )
    return staged_rules(EVENTS, columns, known) + required + applicable(optional, columns)
