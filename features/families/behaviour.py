"""What a user does before buying: visits, views, searches, carts; how often that ends in an order; what is viewed."""

from collections.abc import Callable

from features.feature import Days, Feature, ratio

WINDOWS_DAYS = (7, 28, 91)
LONG_WINDOWS_DAYS = (28, 91)
EVENT_TYPE, SESSION, ORDERS = "events.event_type", "events.session_id", "order_lines.amount"
CATEGORY_VIEWS = ("events.event_type", "events.product_id", "products.category")
PRICE_VIEWS = (*CATEGORY_VIEWS, "products.list_price", "order_lines.unit_price")


def _total(measure: str, unit: str, description: str, phrase: str, needs: str = EVENT_TYPE) -> tuple[Feature, ...]:
    """The sum of a column of `features.visits` over each window."""
    column = {"visit_days": "visit", "dwell": "dwell_seconds"}.get(measure, measure)
    return tuple(
        Feature(
            name=f"{measure}_{window}d",
            unit=unit,
            description=f"{description} in the last {window} days.",
            phrase=f"{phrase} in the last {window} days",
            needs=tuple(dict.fromkeys((EVENT_TYPE, needs))),
            window_days=window,
            table="user_visit",
            expression=lambda day: getattr(day, column).sum(),
        )
        for window in WINDOWS_DAYS
    )


TOTALS = (
    *_total("visit_days", "days with a visit", "Days with an event", "visited on {value:,.0f} days"),
    *_total("views", "events", "Products viewed, each time counted", "looked at products {value:,.0f} times"),
    *_total("clicks", "events", "Clicks", "clicked {value:,.0f} times"),
    *_total("searches", "events", "Searches", "searched {value:,.0f} times"),
    *_total("carts", "events", "Times something was put into the cart", "put {value:,.0f} things into the cart"),
    *_total("favourites", "events", "Times something was marked as a favourite", "marked {value:,.0f} favourites"),
    *_total("dwell", "seconds", "Seconds spent", "spent {value:,.0f} seconds in the shop", "events.dwell_seconds"),
    *_total("sessions", "sessions", "Sessions", "came {value:,.0f} times", SESSION),
)


def _quotient(
    measure: str,
    unit: str,
    description: str,
    phrase: str,
    needs: tuple[str, ...],
    expression: Callable[[Days], object],
) -> tuple[Feature, ...]:
    return tuple(
        Feature(
            name=f"{measure}_{window}d",
            unit=unit,
            description=f"{description} (last {window} days).",
            phrase=f"{phrase} (last {window} days)",
            needs=needs,
            window_days=window,
            table="user_visit",
            expression=expression,
        )
        for window in LONG_WINDOWS_DAYS
    )


QUOTIENTS = (
    *_quotient(
        "orders_per_session",
        "orders per session",
        "Orders per session; above 1 if the user also orders elsewhere, 0 without a session",
        "orders {value:.2f} times per session",
        (EVENT_TYPE, SESSION, ORDERS),
        lambda day: ratio(day.orders.sum(), day.sessions.sum()),
    ),
    *_quotient(
        "orders_per_cart",
        "orders per cart",
        "Orders per time that something was put into the cart; 0 without",
        "orders {value:.2f} times per thing put into the cart",
        (EVENT_TYPE, ORDERS),
        lambda day: ratio(day.orders.sum(), day.carts.sum()),
    ),
    *_quotient(
        "carts_per_view",
        "events per view",
        "Times that something was put into the cart per product viewed",
        "puts {value:.2f} things into the cart per product looked at",
        (EVENT_TYPE,),
        lambda day: ratio(day.carts.sum(), day.views.sum()),
    ),
    *_quotient(
        "searches_per_visit_day",
        "events per day with a visit",
        "Searches per day with a visit",
        "searches {value:.1f} times on a day with a visit",
        (EVENT_TYPE,),
        lambda day: ratio(day.searches.sum(), day.visit.sum()),
    ),
    *_quotient(
        "viewed_price_level",
        "standard deviations",
        "Mean position of the list prices of the products viewed among the prices paid in their category "
        "(z-score against the purchases of the 28 days before each view)",
        "looks at items {value:+.1f} standard deviations from what is paid in their category",
        PRICE_VIEWS,
        lambda day: ratio(day.view_level.sum(), day.view_level_views.sum()),
    ),
    *_quotient(
        "viewed_price_gap",
        "standard deviations",
        "Price level of what was viewed less that of what was bought; 0 without views or purchases to compare",
        "looks at items {value:+.1f} standard deviations dearer than those bought",
        PRICE_VIEWS,
        lambda day: (
            ratio(day.view_level.sum(), day.view_level_views.sum())
            - ratio(day.price_level.sum(), day.price_level_lines.sum())
        ),
    ),
)

RECENCY = (
    Feature(
        name="days_since_last_visit",
        unit="days",
        description="Days between the last visit and the snapshot; unknown without a visit in the last 364 days.",
        phrase="last visited {value:,.0f} days ago",
        default=None,
        needs=(EVENT_TYPE,),
        table="user_visit",
        expression=lambda day: (day.age_days * day.visit).min(),
    ),
    Feature(
        name="views_since_last_order",
        unit="events",
        description="Products viewed on the days after the last purchase, of the last 364 days.",
        phrase="looked at products {value:,.0f} times since the last purchase",
        needs=(EVENT_TYPE, ORDERS),
        table="user_visit",
        expression=lambda day: day.views_since_order.sum(),
    ),
    Feature(
        name="carts_since_last_order",
        unit="events",
        description="Times that something was put into the cart on the days after the last purchase (last 364 days).",
        phrase="put {value:,.0f} things into the cart since the last purchase",
        needs=(EVENT_TYPE, ORDERS),
        table="user_visit",
        expression=lambda day: day.carts_since_order.sum(),
    ),
    Feature(
        name="views_trend_28d",
        unit="share of views",
        description="Share of the last 56 days' product views that fell in the last 28.",
        phrase="made {value:.0%} of the last 56 days' product views in the last 28",
        default=None,
        needs=(EVENT_TYPE,),
        table="user_visit",
        expression=lambda day: ratio(day.last(28).views.sum().fill_null(0), day.last(56).views.sum()),
    ),
)


def _interest(window: int) -> tuple[Feature, ...]:
    return (
        Feature(
            name=f"viewed_categories_{window}d",
            unit="categories",
            description=f"Categories of the products viewed in the last {window} days.",
            phrase=f"looked at {{value:,.0f}} categories in the last {window} days",
            needs=CATEGORY_VIEWS,
            table="user_viewed_category",
            expression=lambda category: (category[f"views_{window}d"] > 0).sum(),
        ),
        Feature(
            name=f"top_viewed_category_share_{window}d",
            unit="share of views",
            description=f"Share of the last {window} days' product views in the category that the user views most.",
            phrase=f"looks at one category {{value:.0%}} of the time (last {window} days)",
            needs=CATEGORY_VIEWS,
            table="user_viewed_category",
            expression=lambda category: ratio(category[f"views_{window}d"].max(), category[f"views_{window}d"].sum()),
        ),
    )


BEHAVIOUR = (*TOTALS, *QUOTIENTS, *RECENCY, *(f for window in LONG_WINDOWS_DAYS for f in _interest(window)))
