"""Rules of the predictions of one snapshot."""

from expectations.rules import Rule, between, finite, not_negative, not_null, one_of
from expectations.table_rules import has_rows, unique, varies


def suite(columns: tuple[str, ...], tiers: tuple[str, ...], bases: tuple[str, ...]) -> tuple[Rule, ...]:
    """Rules of predictions. The same tier for all users is legal but useless, so it is reported.

    >>> [rule.name for rule in suite(("score", "tier"), ("high", "low"), ("orders",)) if "tier" in rule.columns]
    ['tier_not_null', 'tier_one_of', 'tier_varies']

    Args:
        columns: columns of the predictions.
        tiers: allowed tiers.
        bases: allowed bases.
    """
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
        one_of("tier", tiers),
        varies("tier"),
        not_null("basis"),
        one_of("basis", bases),
        has_rows(),
    )
