"""Features of when a user buys: gaps between purchase days, trend, days of the week and month."""

from features.exact import exact_sum
from features.feature import Feature, ratio
from features.units import Unit

RHYTHM = (
    Feature(
        measure="gap_mean",
        moves_by_calendar=True,
        unit=Unit.DAYS,
        description="Mean days between purchase days; unknown with a single purchase day.",
        phrase="comes back to buy every {value:,.0f} days",
        default=None,
        expression=lambda day: day.gap_days.mean(),
    ),
    Feature(
        measure="gap_spread",
        moves_by_calendar=True,
        unit=Unit.DAYS,
        description="Standard deviation of the days between purchase days; unknown with fewer than three.",
        phrase="",
        default=None,
        expression=lambda day: day.gap_days.std(how="sample"),
    ),
    Feature(
        measure="gap_overdue",
        moves_by_calendar=True,
        unit=Unit.MEAN_GAPS,
        description="Days since the last purchase divided by the mean gap; above 1 the user is late.",
        phrase="",
        default=None,
        expression=lambda day: ratio(day.purchase_age_days.min(), day.gap_days.mean()),
    ),
)

TREND = (
    Feature(
        measure="spend_trend",
        window_days=28,
        reads_days=56,
        unit=Unit.SHARE_OF_SPEND,
        description="Share of the last 56 days' gross spend that fell in the last 28.",
        phrase="made {value:.0%} of the last 56 days' spend in the last 28",
        default=None,
        expression=lambda day: ratio(
            exact_sum(day.last(28).gross_spend).fill_null(0), exact_sum(day.last(56).gross_spend)
        ),
    ),
    Feature(
        measure="purchase_days_trend",
        window_days=28,
        reads_days=56,
        unit=Unit.SHARE_OF_PURCHASE_DAYS,
        description="Share of the last 56 days' purchase days that fell in the last 28.",
        phrase="made {value:.0%} of the last 56 days' purchase days in the last 28",
        default=None,
        expression=lambda day: ratio(day.last(28).purchase.sum().fill_null(0), day.last(56).purchase.sum()),
    ),
    Feature(
        measure="spend_trend",
        window_days=91,
        reads_days=182,
        unit=Unit.SHARE_OF_SPEND,
        description="Share of the last 182 days' gross spend that fell in the last 91.",
        phrase="made {value:.0%} of the last 182 days' spend in the last 91",
        default=None,
        expression=lambda day: ratio(
            exact_sum(day.last(91).gross_spend).fill_null(0), exact_sum(day.last(182).gross_spend)
        ),
    ),
)

CALENDAR = (
    Feature(
        measure="weekend_share",
        window_days=91,
        unit=Unit.SHARE_OF_PURCHASE_DAYS,
        description="Share of the purchase days in the last 91 days that were Saturdays or Sundays.",
        phrase="buys on weekends {value:.0%} of the time (last 91 days)",
        expression=lambda day: day.is_weekend.mean(),
    ),
    Feature(
        measure="month_start_share",
        moves_by_calendar=True,
        window_days=91,
        unit=Unit.SHARE_OF_PURCHASE_DAYS,
        description="Share of the purchase days in the last 91 days in the first ten days of a month.",
        phrase="buys in the first ten days of a month {value:.0%} of the time (last 91 days)",
        expression=lambda day: day.is_month_start.mean(),
    ),
)
