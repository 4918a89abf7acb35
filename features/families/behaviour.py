"""Features of what a user does before buying: visits, views, searches, carts, and how often that ends in an order."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from features.exact import exact_sum
from features.feature import CATEGORY_WINDOWS_DAYS, VISIT_RATE_WINDOWS_DAYS, VISIT_WINDOWS_DAYS, Feature, ratio
from features.units import Unit

if TYPE_CHECKING:
    from features.days import Days

EVENT_TYPE, SESSION, AMOUNT = "events.event_type", "events.session_id", "order_lines.amount"
CATEGORY_VIEWS = ("events.event_type", "events.product_id", "products.category")
PRICE_VIEWS = (*CATEGORY_VIEWS, "products.list_price", "order_lines.unit_price")


def _total(
    measure: str, column: str, unit: Unit, description: str, phrase: str, needs: str = EVENT_TYPE
) -> tuple[Feature, ...]:
    """Sum of a column of `features.visits` over each window."""
    return tuple(
        Feature(
            measure=measure,
            unit=unit,
            description=f"{description} in the last {window} days.",
            phrase=f"{phrase} in the last {window} days",
            needs=tuple(dict.fromkeys((EVENT_TYPE, needs))),
            window_days=window,
            table="user_visit",
            expression=lambda day: exact_sum(getattr(day, column)),
        )
        for window in VISIT_WINDOWS_DAYS
    )


TOTALS = (
    *_total("visit_days", "visit", Unit.VISIT_DAYS, "Days with an event", "visited on {value:,.0f} days"),
    *_total("views", "views", Unit.EVENTS, "Product views", "viewed products {value:,.0f} times"),
    *_total("clicks", "clicks", Unit.EVENTS, "Clicks", "clicked {value:,.0f} times"),
    *_total("searches", "searches", Unit.EVENTS, "Searches", "searched {value:,.0f} times"),
    *_total("carts", "carts", Unit.EVENTS, "Items put into the cart", "put {value:,.0f} items into the cart"),
    *_total("favourites", "favourites", Unit.EVENTS, "Favourites marked", "marked {value:,.0f} favourites"),
    *_total(
        "dwell",
        "dwell_seconds",
        Unit.SECONDS,
        "Seconds spent in the shop",
        "spent {value:,.0f} seconds in the shop",
        "events.dwell_seconds",
    ),
    *_total("sessions", "sessions", Unit.SESSIONS, "Sessions", "had {value:,.0f} sessions", SESSION),
)


def _quotient(
    measure: str,
    unit: Unit,
    description: str,
    phrase: str,
    needs: tuple[str, ...],
    expression: "Callable[[Days], object]",
) -> tuple[Feature, ...]:
    return tuple(
        Feature(
            measure=measure,
            unit=unit,
            description=f"{description} (last {window} days).",
            phrase=f"{phrase} (last {window} days)",
            needs=needs,
            window_days=window,
            table="user_visit",
            expression=expression,
        )
        for window in VISIT_RATE_WINDOWS_DAYS
    )


QUOTIENTS = (
    *_quotient(
        "orders_per_session",
        Unit.ORDERS_PER_SESSION,
        "Orders per session; above 1 if the user also orders elsewhere, 0 without a session",
        "orders {value:.2f} times per session",
        (EVENT_TYPE, SESSION, AMOUNT),
        lambda day: ratio(day.orders.sum(), day.sessions.sum()),
    ),
    *_quotient(
        "orders_per_cart",
        Unit.ORDERS_PER_CART_EVENT,
        "Orders per item put into the cart; 0 without such an item",
        "orders {value:.2f} times per item put into the cart",
        (EVENT_TYPE, AMOUNT),
        lambda day: ratio(day.orders.sum(), day.carts.sum()),
    ),
    *_quotient(
        "carts_per_view",
        Unit.EVENTS_PER_VIEW,
        "Items put into the cart per product view",
        "puts {value:.2f} items into the cart per product view",
        (EVENT_TYPE,),
        lambda day: ratio(day.carts.sum(), day.views.sum()),
    ),
    *_quotient(
        "searches_per_visit_day",
        Unit.EVENTS_PER_VISIT_DAY,
        "Searches per day with a visit",
        "searches {value:.1f} times on a day with a visit",
        (EVENT_TYPE,),
        lambda day: ratio(day.searches.sum(), day.visit.sum()),
    ),
    *_quotient(
        "viewed_price_level",
        Unit.STANDARD_DEVIATIONS,
        "Mean price level of the products viewed: z-score of the log list price among the prices paid in its category "
        "in the 28 days before the view",
        "looks at items of price level {value:+.1f}, where 0 is usual for the category",
        PRICE_VIEWS,
        lambda day: ratio(exact_sum(day.view_level), day.view_level_views.sum()),
    ),
    *_quotient(
        "viewed_price_gap",
        Unit.STANDARD_DEVIATIONS,
        "Price level of viewed products less the level of bought items; 0 without views or purchases to compare",
        "looks at items {value:+.1f} price levels above those bought",
        PRICE_VIEWS,
        lambda day: (
            ratio(exact_sum(day.view_level), day.view_level_views.sum())
            - ratio(exact_sum(day.price_level), day.price_level_lines.sum())
        ),
    ),
)

RECENCY = (
    Feature(
        measure="days_since_last_visit",
        moves_by_calendar=True,
        unit=Unit.DAYS,
        description="Days between the last visit and the snapshot; unknown without a visit in the last 364 days.",
        phrase="last visited {value:,.0f} days ago",
        default=None,
        needs=(EVENT_TYPE,),
        table="user_visit",
        expression=lambda day: (day.age_days * day.visit).min(),
    ),
    Feature(
        measure="views_since_last_order",
        moves_by_calendar=True,
        unit=Unit.EVENTS,
        description="Product views on the days after the last purchase (last 364 days).",
        phrase="viewed products {value:,.0f} times since the last purchase",
        needs=(EVENT_TYPE, AMOUNT),
        table="user_visit",
        expression=lambda day: day.views_since_order.sum(),
    ),
    Feature(
        measure="carts_since_last_order",
        moves_by_calendar=True,
        unit=Unit.EVENTS,
        description="Items put into the cart on the days after the last purchase (last 364 days).",
        phrase="put {value:,.0f} items into the cart since the last purchase",
        needs=(EVENT_TYPE, AMOUNT),
        table="user_visit",
        expression=lambda day: day.carts_since_order.sum(),
    ),
    Feature(
        measure="views_trend",
        window_days=28,
        reads_days=56,
        unit=Unit.SHARE_OF_VIEWS,
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
            measure="viewed_categories",
            window_days=window,
            unit=Unit.CATEGORIES,
            description=f"Categories of the products viewed in the last {window} days.",
            phrase=f"looked at {{value:,.0f}} categories in the last {window} days",
            needs=CATEGORY_VIEWS,
            table="user_viewed_category",
            expression=lambda category: (category[f"views_{window}d"] > 0).sum(),
        ),
        Feature(
            measure="top_viewed_category_share",
            window_days=window,
            unit=Unit.SHARE_OF_VIEWS,
            description=f"Share of product views in the user's most viewed category in the last {window} days.",
            phrase=f"makes {{value:.0%}} of product views in one category (last {window} days)",
            needs=CATEGORY_VIEWS,
            table="user_viewed_category",
            expression=lambda category: ratio(category[f"views_{window}d"].max(), category[f"views_{window}d"].sum()),
        ),
    )


BEHAVIOUR = (*TOTALS, *QUOTIENTS, *RECENCY, *(f for window in CATEGORY_WINDOWS_DAYS for f in _interest(window)))
