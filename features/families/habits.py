"""How a user buys: rhythm, trend, and the days of the week and month."""

from features.feature import Feature, ratio

RHYTHM = (
    Feature(
        name="gap_mean",
        unit="days",
        description="Mean number of days between purchase days; unknown with one purchase day.",
        phrase="comes back to buy every {value:,.0f} days",
        default=None,
        expression=lambda day: day.gap_days.mean(),
    ),
    Feature(
        name="gap_spread",
        unit="days",
        description="Standard deviation of the days between purchase days; unknown with fewer than three.",
        phrase="",
        default=None,
        expression=lambda day: day.gap_days.std(how="sample"),
    ),
    Feature(
        name="gap_overdue",
        unit="mean gaps",
        description="Days since the last purchase, in mean gaps; above 1 the user is late.",
        phrase="",
        default=None,
        expression=lambda day: ratio(day.purchase_age_days.min(), day.gap_days.mean()),
    ),
)

TREND = (
    Feature(
        name="spend_trend_28d",
        unit="share of spend",
        description="Share of the last 56 days' gross spend that fell in the last 28.",
        phrase="made {value:.0%} of the last 56 days' spend in the last 28",
        default=None,
        expression=lambda day: ratio(day.last(28).gross_spend.sum().fill_null(0), day.last(56).gross_spend.sum()),
    ),
    Feature(
        name="purchase_days_trend_28d",
        unit="share of purchase days",
        description="Share of the last 56 days' purchase days that fell in the last 28.",
        phrase="made {value:.0%} of the last 56 days' purchase days in the last 28",
        default=None,
        expression=lambda day: ratio(day.last(28).purchase.sum().fill_null(0), day.last(56).purchase.sum()),
    ),
    Feature(
        name="spend_trend_91d",
        unit="share of spend",
        description="Share of the last 182 days' gross spend that fell in the last 91.",
        phrase="made {value:.0%} of the last 182 days' spend in the last 91",
        default=None,
        expression=lambda day: ratio(day.last(91).gross_spend.sum().fill_null(0), day.last(182).gross_spend.sum()),
    ),
)

CALENDAR = (
    Feature(
        name="weekend_share_91d",
        unit="share of purchase days",
        description="Share of the purchase days in the last 91 days that were Saturdays or Sundays.",
        phrase="shops on weekends {value:.0%} of the time (last 91 days)",
        window_days=91,
        expression=lambda day: day.is_weekend.mean(),
    ),
    Feature(
        name="month_start_share_91d",
        unit="share of purchase days",
        description="Share of the purchase days in the last 91 days in the first ten days of a month.",
        phrase="shops in the first ten days of a month {value:.0%} of the time (last 91 days)",
        window_days=91,
        expression=lambda day: day.is_month_start.mean(),
    ),
)
