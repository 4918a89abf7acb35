"""What must hold of the predictions of one snapshot."""

from expectations.rules import Rule, between, finite, not_negative, not_null, one_of
from expectations.table_rules import has_rows, unique, varies

TIERS = ("high", "mid", "low")
BASES = ("orders", "attributes")
"""What a prediction was made from: the user's orders, or, of a user without any, profile and behaviour."""


def suite(columns: tuple[str, ...]) -> tuple[Rule, ...]:
    """The rules of predictions; one tier for everybody is legal but tells nothing, so it is reported."""
    return (
        not_null("user_id"),
        unique("user_id"),
        not_null("expected_spend"),
        finite("expected_spend"),
        not_negative("expected_spend"),
        *(not_negative(name) for name in ("spend_low", "spend_high") if name in columns),
        not_null("purchase_probability"),
        between("purchase_probability", 0.0, 1.0, "probability"),
        not_null("score"),
        between("score", 0.0, 100.0, "percentile"),
        not_null("tier"),
        one_of("tier", TIERS),
        varies("tier"),
        not_null("basis"),
        one_of("basis", BASES),
        has_rows(),
    )
