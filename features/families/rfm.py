"""RFM features and the terms of the literature on customer lifetime value, in days.

Frequency, recency, T and monetary value as in Fader, Hardie and Lee (2005), "RFM and CLV: Using Iso-Value Curves for
Customer Base Analysis".
"""

from features.exact import exact_sum
from features.feature import Feature, ratio
from features.units import Unit

RFM = (
    Feature(
        measure="frequency",
        grows_with_history=True,
        unit=Unit.PURCHASE_DAYS,
        description="Repeat purchase days: all purchase days but the first.",
        phrase="came back to buy on {value:,.0f} days",
        expression=lambda day: day.purchase.sum() - 1,
    ),
    Feature(
        measure="recency",
        grows_with_history=True,
        unit=Unit.DAYS,
        description="Days between the first and the last purchase.",
        phrase="has bought over {value:,.0f} days",
        expression=lambda day: day.purchase_age_days.max() - day.purchase_age_days.min(),
    ),
    Feature(
        measure="T",
        grows_with_history=True,
        unit=Unit.DAYS,
        description="Days between the first purchase and the snapshot.",
        phrase="first bought {value:,.0f} days ago",
        expression=lambda day: day.purchase_age_days.max(),
    ),
    Feature(
        measure="monetary_value",
        moves_by_calendar=True,
        unit=Unit.MONEY_PER_PURCHASE_DAY,
        description="Mean net spend of the repeat purchase days; 0 without one.",
        phrase="spends {value:,.0f} on a day with a purchase, after the first",
        expression=lambda day: ratio(
            exact_sum(day.purchase_spend) - day.purchase_spend.argmax(day.purchase_age_days), day.purchase.sum() - 1
        ),
    ),
    Feature(
        measure="days_since_last_order",
        moves_by_calendar=True,
        unit=Unit.DAYS,
        description="Days between the last purchase and the snapshot.",
        phrase="last bought {value:,.0f} days ago",
        expression=lambda day: day.purchase_age_days.min(),
    ),
    Feature(
        measure="purchase_days",
        over="total",
        grows_with_history=True,
        unit=Unit.PURCHASE_DAYS,
        description="Purchase days in the whole history.",
        phrase="has bought on {value:,.0f} days",
        expression=lambda day: day.purchase.sum(),
    ),
    Feature(
        measure="spend",
        over="total",
        grows_with_history=True,
        unit=Unit.MONEY,
        description="Net spend in the whole history.",
        phrase="has spent {value:,.0f} in total",
        expression=lambda day: exact_sum(day.spend),
    ),
    Feature(
        measure="spend",
        over="per_day",
        moves_by_calendar=True,
        unit=Unit.MONEY_PER_DAY,
        description="Net spend of the whole history per day since the first purchase.",
        phrase="spends {value:,.2f} a day on average",
        expression=lambda day: exact_sum(day.spend) / day.purchase_age_days.max(),
    ),
)
