"""Features of what a user buys: price level within the category, and breadth over categories."""

from features.exact import exact_sum
from features.feature import CATEGORY_WINDOWS_DAYS, RATE_WINDOWS_DAYS, Feature, ratio
from features.units import Unit

PRICE_LEVEL = tuple(
    Feature(
        measure="price_level",
        unit=Unit.STANDARD_DEVIATIONS,
        description=(
            f"Mean price level of the items bought in the last {window} days: z-score of the log unit price among the "
            "prices paid in its category in the 28 days before; above 0 the user buys dearer than others do."
        ),
        phrase=f"buys at a price level of {{value:+.1f}} (0 is the usual price of a category; last {window} days)",
        window_days=window,
        needs=("order_lines.unit_price", "products.category"),
        expression=lambda day: ratio(exact_sum(day.price_level), day.price_level_lines.sum()),
    )
    for window in RATE_WINDOWS_DAYS
)


def _categories(window: int) -> Feature:
    return Feature(
        measure="categories",
        window_days=window,
        unit=Unit.CATEGORIES,
        description=f"Categories bought from in the last {window} days.",
        phrase=f"bought from {{value:,.0f}} categories in the last {window} days",
        needs=("products.category",),
        table="user_category",
        expression=lambda category: (category[f"units_{window}d"] > 0).sum().cast("float64"),
    )


BREADTH = (
    *(_categories(window) for window in CATEGORY_WINDOWS_DAYS),
    Feature(
        measure="category_entropy",
        window_days=91,
        unit=Unit.NATS,
        description="Shannon entropy of spend over categories in the last 91 days, in nats; 0 for a single category.",
        phrase="spreads spend over categories with a variety of {value:.1f} (0 is a single category; last 91 days)",
        needs=("products.category",),
        table="user_category",
        expression=lambda category: (
            exact_sum(category.spend_91d).nullif(0).ln()
            - ratio(exact_sum(category.spend_91d * category.spend_91d.nullif(0).ln()), exact_sum(category.spend_91d))
        ).clip(lower=0),
    ),
    Feature(
        measure="top_category_share",
        window_days=91,
        unit=Unit.SHARE_OF_SPEND,
        description="Share of spend in the user's largest category in the last 91 days.",
        phrase="spends {value:.0%} in one category (last 91 days)",
        needs=("products.category",),
        table="user_category",
        expression=lambda category: ratio(category.spend_91d.max(), exact_sum(category.spend_91d)),
    ),
)
