"""Orders at the end of visits, and their returns."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marketplace.browsing import Events
from marketplace.catalogue import CATEGORIES, Catalogue
from marketplace.season import Season
from marketplace.tables import A_DAY, instants
from marketplace.visits import Visits

COUPON_SHARE, COUPON = 0.06, 0.10
"""Share of orders with a coupon, and the coupon's share of the price."""

SHORTEST_RETURN, LONGEST_RETURN = 2, 30  # days
MEAN_RETURN = 6.0  # days beyond the shortest
OPENING, CLOSING = 8, 20  # hours between which returns arrive


def draw_orders(
    day: int,
    midnight: int,
    events: Events,
    visits: Visits,
    season: Season,
    prices: np.ndarray,
    catalogue: Catalogue,
    random: np.random.Generator,
) -> pa.Table:
    """Draw the order lines of a day, one per bought cart event; `amount + discount = quantity x list price`.

    Args:
        day: number of the day.
        midnight: beginning of the day, in microseconds since 1970.
        events: events of the day.
        visits: visits of the day.
        season: season of the day, with its discounts.
        prices: shape (products,); list prices of the day, in EUR.
        catalogue: categories and costs of the products.
        random: generator of the day.
    """
    at = np.flatnonzero(events.bought)
    visit, product = events.visit[at], events.product[at]
    first = np.searchsorted(visit, visit)
    last_of_visit = np.searchsorted(visit, visit, side="right") - 1
    coupon = np.where(random.random(len(visits.user)) < COUPON_SHARE, COUPON, 0.0)[visit]
    further = np.array([category.further_units for category in CATEGORIES])[catalogue.category[product]]
    quantity = 1 + random.poisson(further)
    unit_price = np.round(prices[product] * (1 - np.maximum(season.discounts[product], coupon)), 2)
    amount = np.round(quantity * unit_price, 2)
    checkout = events.time[at[last_of_visit]] if len(at) else at
    return pa.table(
        {
            "order_id": visit + np.int64(day * 100_000_000 + 1),
            "line": np.arange(len(at)) - first + 1,
            "user_id": visits.user[visit] + 1,
            "product_id": product + 1,
            "ordered_at": instants(midnight, checkout),
            "quantity": quantity,
            "unit_price": unit_price,
            "amount": amount,
            "discount": np.round(quantity * prices[product] - amount, 2),
            "unit_cost": catalogue.unit_cost[product],
            "currency": pa.repeat("EUR", len(at)),
            "returned_line": pa.nulls(len(at), pa.int64()),
        }
    )


def draw_returns(
    day: int, midnight: int, orders: pa.Table, catalogue: Catalogue, random: np.random.Generator
) -> dict[int, pa.Table]:
    """Draw the returns of a day's order lines, as tables by the day on which they arrive.

    A return negates quantity, amount and discount of its purchase. It has the same `order_id` and a new line number
    after the order's last; `returned_line` is the number of the line that it takes back.

    Args:
        day: number of the day of the orders.
        midnight: beginning of that day, in microseconds since 1970.
        orders: from `draw_orders`.
        catalogue: categories of the products.
        random: generator of the day.
    """
    product = orders["product_id"].to_numpy() - 1
    rate = np.array([category.return_rate for category in CATEGORIES])[catalogue.category[product]]
    back = orders.filter(pa.array(random.random(len(rate)) < rate))
    count = back.num_rows
    days = SHORTEST_RETURN + (MEAN_RETURN * random.standard_exponential(count)).astype(int)
    due = day + np.minimum(days, LONGEST_RETURN)
    time = random.integers(OPENING * 3_600_000, CLOSING * 3_600_000, count)
    order = orders["order_id"].to_numpy()
    size = np.searchsorted(order, back["order_id"].to_numpy(), side="right") - np.searchsorted(order, back["order_id"])
    changes = {
        "line": pc.add(back["line"], pa.array(size)),
        "ordered_at": instants(0, (midnight + A_DAY * (due - day)) // 1000 + time),
        **{name: pc.negate(back[name]) for name in ("quantity", "amount", "discount")},
        "returned_line": back["line"],
    }
    returns = pa.table({name: changes.get(name, back[name]) for name in back.column_names})
    return {int(one): returns.filter(pa.array(due == one)) for one in np.unique(due)}
