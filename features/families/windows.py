"""Sums and shares over windows before the snapshot: orders, spend, units, baskets, discounts, returns, margin."""

from features.feature import Feature, ratio

WINDOWS_DAYS = (7, 14, 28, 56, 91, 182, 364)
HALF_LIVES_DAYS = (14, 28, 56)
LONG_WINDOWS_DAYS = (28, 91, 364)


def _sums(window: int) -> tuple[Feature, ...]:
    return (
        Feature(
            name=f"purchase_days_{window}d",
            unit="days with a purchase",
            description=f"Days with a purchase in the last {window} days.",
            phrase=f"bought on {{value:,.0f}} of the last {window} days",
            window_days=window,
            expression=lambda day: day.purchase.sum(),
        ),
        Feature(
            name=f"spend_{window}d",
            unit="money",
            description=f"Net spend in the last {window} days.",
            phrase=f"spent {{value:,.0f}} in the last {window} days",
            window_days=window,
            expression=lambda day: day.spend.sum(),
        ),
        Feature(
            name=f"units_{window}d",
            unit="units",
            description=f"Units bought, less units returned, in the last {window} days.",
            phrase=f"bought {{value:,.0f}} items in the last {window} days",
            window_days=window,
            expression=lambda day: day.units.sum(),
        ),
    )


def _shares(window: int) -> tuple[Feature, ...]:
    return (
        Feature(
            name=f"spend_per_purchase_day_{window}d",
            unit="money per purchase day",
            description=f"Net spend per purchase day in the last {window} days.",
            phrase=f"spends {{value:,.0f}} on a day with a purchase (last {window} days)",
            window_days=window,
            expression=lambda day: ratio(day.spend.sum(), day.purchase.sum()),
        ),
        Feature(
            name=f"lines_per_purchase_day_{window}d",
            unit="lines per purchase day",
            description=f"Order lines per purchase day in the last {window} days.",
            phrase=f"buys {{value:,.1f}} different things on a day with a purchase (last {window} days)",
            window_days=window,
            expression=lambda day: ratio(day.lines.sum(), day.purchase.sum()),
        ),
        Feature(
            name=f"spend_per_unit_{window}d",
            unit="money per unit",
            description=f"Price paid per unit bought in the last {window} days.",
            phrase=f"pays {{value:,.0f}} per item (last {window} days)",
            window_days=window,
            expression=lambda day: ratio(day.gross_spend.sum(), day.units_bought.sum()),
        ),
        Feature(
            name=f"return_rate_{window}d",
            unit="share of spend",
            description=f"Refunded share of gross spend in the last {window} days; 0 for a user who bought nothing.",
            phrase=f"returned {{value:.0%}} of what was bought in the last {window} days",
            window_days=window,
            expression=lambda day: ratio(day.refunds.sum(), day.gross_spend.sum()),
        ),
        Feature(
            name=f"discount_rate_{window}d",
            unit="share of spend",
            description=f"Discounts as a share of spend before discounts in the last {window} days.",
            phrase=f"bought at {{value:.0%}} discount in the last {window} days",
            window_days=window,
            needs=("order_lines.discount",),
            expression=lambda day: ratio(day.discount.sum(), day.gross_spend.sum() + day.discount.sum()),
        ),
        Feature(
            name=f"margin_{window}d",
            unit="share of spend",
            description=f"Share of net spend in the last {window} days that is left after unit costs.",
            phrase=f"left a margin of {{value:.0%}} in the last {window} days",
            window_days=window,
            needs=("order_lines.unit_cost",),
            expression=lambda day: ratio(day.spend.sum() - day.cost.sum(), day.spend.sum()),
        ),
    )


def _decayed(half_life: int) -> Feature:
    return Feature(
        name=f"spend_decayed_{half_life}d",
        unit="money",
        description=f"Net spend in which a day counts half of a day {half_life} days later.",
        phrase=f"has a recent spend of {{value:,.0f}} (half-life {half_life} days)",
        expression=lambda day: (day.spend * (day.age_days * (-0.6931471805599453 / half_life)).exp()).sum(),
    )


WINDOWS = (
    *(feature for window in WINDOWS_DAYS for feature in _sums(window)),
    *(feature for window in LONG_WINDOWS_DAYS for feature in _shares(window)),
    *(_decayed(half_life) for half_life in HALF_LIVES_DAYS),
    Feature(
        name="largest_day_spend_91d",
        unit="money",
        description="Net spend of the best purchase day in the last 91 days.",
        phrase="spent up to {value:,.0f} in a day (last 91 days)",
        window_days=91,
        expression=lambda day: day.spend.max(),
    ),
    Feature(
        name="largest_line_91d",
        unit="money",
        description="Largest single order line in the last 91 days.",
        phrase="bought a single thing for up to {value:,.0f} (last 91 days)",
        window_days=91,
        expression=lambda day: day.largest_line.max(),
    ),
    Feature(
        name="spend_spread_91d",
        unit="money",
        description="Standard deviation of the spend of a purchase day in the last 91 days; 0 with fewer than two.",
        phrase="",
        window_days=91,
        expression=lambda day: day.purchase_spend.std(how="sample"),
    ),
)
