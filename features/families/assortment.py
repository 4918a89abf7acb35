"""What a user buys: where the items stand among their category's prices, and how broad the interest is."""

from features.feature import Feature, ratio

PRICE_LEVEL = tuple(
    Feature(
        name=f"price_level_{window}d",
        unit="standard deviations",
        description=(
            f"Mean position of the items bought in the last {window} days among the log unit prices of their category "
            "(z-score against the 28 days before each purchase): above 0 buys dearer than others do."
        ),
        phrase=f"has a price level of {{value:+.1f}} (0 is the usual price of a category; last {window} days)",
        window_days=window,
        needs=("order_lines.unit_price", "products.category"),
        expression=lambda day: ratio(day.price_level.sum(), day.price_level_lines.sum()),
    )
    for window in (28, 91, 364)
)


def _categories(window: int) -> Feature:
    return Feature(
        name=f"categories_{window}d",
        unit="categories",
        description=f"Categories bought from in the last {window} days.",
        phrase=f"bought from {{value:,.0f}} categories in the last {window} days",
        needs=("products.category",),
        table="user_category",
        expression=lambda category: (category[f"units_{window}d"] > 0).sum().cast("float64"),
    )


BREADTH = (
    _categories(28),
    _categories(91),
    Feature(
        name="category_entropy_91d",
        unit="nats",
        description="Shannon entropy of the spend over categories in the last 91 days; 0 for a single category.",
        phrase="spreads spend over categories with a variety of {value:.1f} (0 is a single one; last 91 days)",
        needs=("products.category",),
        table="user_category",
        expression=lambda category: (
            category.spend_91d.sum().nullif(0).ln()
            - ratio((category.spend_91d * category.spend_91d.nullif(0).ln()).sum(), category.spend_91d.sum())
        ).clip(lower=0),
    ),
    Feature(
        name="top_category_share_91d",
        unit="share of spend",
        description="Share of the last 91 days' spend in the category that the user spends most on.",
        phrase="spends {value:.0%} in one category (last 91 days)",
        needs=("products.category",),
        table="user_category",
        expression=lambda category: ratio(category.spend_91d.max(), category.spend_91d.sum()),
    ),
)
