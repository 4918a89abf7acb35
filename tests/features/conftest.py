"""Order lines and events made by hand, and a random shop; all in one database per module."""

from datetime import date, datetime, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest

from features.daily.events import catalogued_events, user_event_category_day, user_event_day
from features.daily.orders import categorised_lines, category_prices, product_versions, user_category_day, user_day

EVENT_COLUMNS = ("user_id", "occurred_at", "event_type", "product_id", "session_id", "dwell_seconds")
COLUMNS = ("user_id", "ordered_at", "product_id", "quantity", "amount")


@pytest.fixture(scope="module")
def table():
    """Make an Ibis table of columns given as lists."""
    connection = ibis.duckdb.connect()

    def make(**columns):
        return connection.create_table(ibis.util.gen_name("t"), ibis.memtable(pd.DataFrame(columns)), temp=True)

    return make


@pytest.fixture(scope="module")
def order_lines(table):
    """Make order lines of (user, day, product, quantity, amount); unit prices follow."""

    def make(*rows):
        frame = pd.DataFrame(rows, columns=COLUMNS)
        frame["ordered_at"] = pd.to_datetime(frame.ordered_at)
        frame["quantity"] = frame.quantity.astype(float)
        frame["order_id"] = frame.user_id + frame.ordered_at.astype(str)
        frame["line"] = range(len(frame))
        frame["unit_price"] = frame.amount / frame.quantity
        frame["day"] = frame.ordered_at.dt.date
        return table(**{name: list(frame[name]) for name in frame})

    return make


@pytest.fixture(scope="module")
def daily():
    """Reduce order lines, and products and events if given, to the tables that the second stage reads."""

    def make(lines, products=None, users=None, events=None):
        versions = None if products is None else product_versions(products)
        lines = categorised_lines(lines, versions)
        prices = category_prices(lines)
        tables = {"user_day": user_day(lines, prices), "user_category_day": user_category_day(lines)}
        if events is not None:
            events = catalogued_events(events, versions)
            tables["user_event_day"] = user_event_day(events, prices)
            tables["user_event_category_day"] = user_event_category_day(events)
        return tables | ({"users": users} if users is not None else {})

    return make


@pytest.fixture(scope="module")
def events(table):
    """Make events of (user, time, type, product, session, dwell)."""

    def make(*rows):
        frame = pd.DataFrame(rows, columns=EVENT_COLUMNS)
        frame["occurred_at"] = pd.to_datetime(frame.occurred_at)
        frame["event_id"] = [f"e{n}" for n in range(len(frame))]
        frame["day"] = frame.occurred_at.dt.date
        return table(**{name: list(frame[name]) for name in frame})

    return make


@pytest.fixture(scope="module")
def random_products(table):
    """Products of the random shop: three categories, and a price rise of each product in February."""
    versions = [(f"p{n}", f"2024-0{month}-01", f"c{n % 3}", (5.0 + n) * month) for n in range(15) for month in (1, 2)]
    frame = pd.DataFrame(versions, columns=["product_id", "valid_from", "category", "list_price"])
    frame["valid_from"] = pd.to_datetime(frame.valid_from)
    return table(**{name: list(frame[name]) for name in frame})


@pytest.fixture(scope="module")
def random_events(events):
    """Events of the 40 users of the random shop and of ten more."""
    rng = np.random.default_rng(1)
    rows = []
    for n in range(3000):
        at = datetime(2024, 1, 1) + timedelta(minutes=int(rng.integers(120 * 24 * 60)))  # noqa: DTZ001 - shop's own time
        kind = str(
            rng.choice(["view", "click", "search", "cart", "favourite", "other"], p=[0.5, 0.2, 0.1, 0.1, 0.05, 0.05])
        )
        product = None if kind == "search" else f"p{rng.integers(17)}"
        rows.append((f"u{rng.integers(50)}", at, kind, product, f"s{n // 4}", float(rng.integers(60))))
    return events(*rows)


@pytest.fixture(scope="module")
def random_lines(order_lines):
    """A shop of 40 users over 120 days from 2024-01-01, with some returns."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(800):
        quantity = int(rng.choice([1, 2, 3, -1], p=[0.5, 0.3, 0.1, 0.1]))
        day = datetime.combine(date(2024, 1, 1) + timedelta(days=int(rng.integers(120))), datetime.min.time())
        price = float(np.round(rng.lognormal(3, 1), 2))
        rows.append((f"u{rng.integers(40)}", day, f"p{rng.integers(15)}", quantity, quantity * price))
    return order_lines(*rows)
