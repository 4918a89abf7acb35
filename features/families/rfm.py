"""RFM and the terms of the customer-lifetime-value literature (Fader, Hardie & Lee 2005), in days."""

from features.feature import Feature, ratio

RFM = (
    Feature(
        name="frequency",
        unit="days with a purchase",
        description="Repeat purchase days: days with a purchase, less the first.",
        phrase="came back to buy on {value:,.0f} days",
        expression=lambda day: day.purchase.sum() - 1,
    ),
    Feature(
        name="recency",
        unit="days",
        description="Days between the first and the last purchase.",
        phrase="has bought over {value:,.0f} days",
        expression=lambda day: day.purchase_age_days.max() - day.purchase_age_days.min(),
    ),
    Feature(
        name="T",
        unit="days",
        description="Days between the first purchase and the snapshot.",
        phrase="first bought {value:,.0f} days ago",
        expression=lambda day: day.purchase_age_days.max(),
    ),
    Feature(
        name="monetary_value",
        unit="money per purchase day",
        description="Mean spend of the repeat purchase days; 0 without one.",
        phrase="spends {value:,.0f} on a day with a purchase, after the first",
        expression=lambda day: ratio(
            day.purchase_spend.sum() - day.purchase_spend.argmax(day.purchase_age_days), day.purchase.sum() - 1
        ),
    ),
    Feature(
        name="days_since_last_order",
        unit="days",
        description="Days between the last purchase and the snapshot.",
        phrase="last bought {value:,.0f} days ago",
        expression=lambda day: day.purchase_age_days.min(),
    ),
    Feature(
        name="purchase_days_total",
        unit="days with a purchase",
        description="Days with a purchase in the whole history.",
        phrase="has bought on {value:,.0f} days",
        expression=lambda day: day.purchase.sum(),
    ),
    Feature(
        name="spend_total",
        unit="money",
        description="Net spend in the whole history.",
        phrase="has spent {value:,.0f} in all",
        expression=lambda day: day.spend.sum(),
    ),
    Feature(
        name="spend_per_day",
        unit="money per day",
        description="Net spend of the whole history per day since the first purchase.",
        phrase="spends {value:,.2f} a day on average",
        expression=lambda day: day.spend.sum() / day.purchase_age_days.max(),
    ),
)
