"""Features of windows before the snapshot: purchase days, spend, units, baskets, discounts, returns, margin."""

from features.exact import exact_sum
from features.feature import HALF_LIVES_DAYS, RATE_WINDOWS_DAYS, WINDOWS_DAYS, Feature, ratio
from features.units import Unit


def _sums(window: int) -> tuple[Feature, ...]:
    return (
        Feature(
            measure="purchase_days",
            unit=Unit.PURCHASE_DAYS,
            description=f"Purchase days in the last {window} days.",
            phrase=f"bought on {{value:,.0f}} of the last {window} days",
            window_days=window,
            expression=lambda day: day.purchase.sum(),
        ),
        Feature(
            measure="spend",
            unit=Unit.MONEY,
            description=f"Net spend in the last {window} days.",
            phrase=f"spent {{value:,.0f}} in the last {window} days",
            window_days=window,
            expression=lambda day: exact_sum(day.spend),
        ),
        Feature(
            measure="units",
            unit=Unit.UNITS,
            description=f"Units bought less units returned in the last {window} days.",
            phrase=f"bought {{value:,.0f}} items in the last {window} days",
            window_days=window,
            expression=lambda day: exact_sum(day.units),
        ),
    )


def _rates(window: int) -> tuple[Feature, ...]:
    return (
        Feature(
            measure="spend_per_purchase_day",
            unit=Unit.MONEY_PER_PURCHASE_DAY,
            description=f"Net spend per purchase day in the last {window} days.",
            phrase=f"spends {{value:,.0f}} on a day with a purchase (last {window} days)",
            window_days=window,
            expression=lambda day: ratio(exact_sum(day.spend), day.purchase.sum()),
        ),
        Feature(
            measure="lines_per_purchase_day",
            unit=Unit.LINES_PER_PURCHASE_DAY,
            description=f"Order lines per purchase day in the last {window} days.",
            phrase=f"buys {{value:,.1f}} different items on a day with a purchase (last {window} days)",
            window_days=window,
            expression=lambda day: ratio(day.lines.sum(), day.purchase.sum()),
        ),
        Feature(
            measure="spend_per_unit",
            unit=Unit.MONEY_PER_UNIT,
            description=f"Price paid per unit bought in the last {window} days.",
            phrase=f"pays {{value:,.0f}} per item (last {window} days)",
            window_days=window,
            expression=lambda day: ratio(exact_sum(day.gross_spend), exact_sum(day.units_bought)),
        ),
        Feature(
            measure="return_rate",
            unit=Unit.SHARE_OF_SPEND,
            description=f"Refunded share of gross spend in the last {window} days; 0 for a user who bought nothing.",
            phrase=f"returned {{value:.0%}} of purchases in the last {window} days",
            window_days=window,
            expression=lambda day: ratio(exact_sum(day.refunds), exact_sum(day.gross_spend)),
        ),
        Feature(
            measure="discount_rate",
            unit=Unit.SHARE_OF_SPEND,
            description=f"Discounts as a share of spend before discounts in the last {window} days.",
            phrase=f"bought at {{value:.0%}} discount in the last {window} days",
            window_days=window,
            moves_by_calendar=True,
            needs=("order_lines.discount",),
            expression=lambda day: ratio(exact_sum(day.discount), exact_sum(day.gross_spend) + exact_sum(day.discount)),
        ),
        Feature(
            measure="margin",
            unit=Unit.SHARE_OF_SPEND,
            description=f"Share of net spend that is left after unit costs in the last {window} days.",
            phrase=f"left a margin of {{value:.0%}} in the last {window} days",
            window_days=window,
            needs=("order_lines.unit_cost",),
            expression=lambda day: ratio(exact_sum(day.spend) - exact_sum(day.cost), exact_sum(day.spend)),
        ),
    )


def _decayed(half_life: int) -> Feature:
    return Feature(
        measure="spend",
        half_life_days=half_life,
        unit=Unit.MONEY,
        description=f"Net spend with exponential decay: a day counts half after {half_life} days.",
        phrase=f"has a recent spend of {{value:,.0f}} (half-life {half_life} days)",
        expression=lambda day: exact_sum(day.spend * (day.age_days * (-0.6931471805599453 / half_life)).exp()),
    )


WINDOWS = (
    *(feature for window in WINDOWS_DAYS for feature in _sums(window)),
    *(feature for window in RATE_WINDOWS_DAYS for feature in _rates(window)),
    *(_decayed(half_life) for half_life in HALF_LIVES_DAYS),
    Feature(
        measure="largest_day_spend",
        window_days=91,
        unit=Unit.MONEY,
        description="Net spend of the best purchase day in the last 91 days.",
        phrase="spent up to {value:,.0f} on one day (last 91 days)",
        expression=lambda day: day.spend.max(),
    ),
    Feature(
        measure="largest_line",
        window_days=91,
        unit=Unit.MONEY,
        description="Largest single order line in the last 91 days.",
        phrase="bought a single item for up to {value:,.0f} (last 91 days)",
        expression=lambda day: day.largest_line.max(),
    ),
    Feature(
        measure="spend_spread",
        window_days=91,
        unit=Unit.MONEY,
        description="Standard deviation of spend per purchase day in the last 91 days; 0 with fewer than two.",
        phrase="",
        expression=lambda day: day.purchase_spend.std(how="sample"),
    ),
)
