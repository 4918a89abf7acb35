"""Order lines made by hand, and a shop at random."""

from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from features.user_day import categorised_lines, user_category_day, user_day

COLUMNS = ("user_id", "ordered_at", "product_id", "quantity", "amount")


@pytest.fixture
def order_lines(table):
    """Make order lines of (user, day, product, quantity, amount); unit prices follow."""

    def make(*rows):
        frame = pd.DataFrame(rows, columns=COLUMNS)
        frame["ordered_at"] = pd.to_datetime(frame.ordered_at)
        frame["order_id"] = frame.user_id + frame.ordered_at.astype(str)
        frame["line"] = range(len(frame))
        frame["unit_price"] = frame.amount / frame.quantity
        frame["day"] = frame.ordered_at.dt.date
        return table(**{name: list(frame[name]) for name in frame})

    return make


@pytest.fixture
def daily():
    """Reduce order lines, with products where there are any, to the tables that the second stage reads."""

    def make(lines, products=None, users=None):
        lines = categorised_lines(lines, products)
        tables = {"user_day": user_day(lines), "user_category_day": user_category_day(lines)}
        return tables | ({"users": users} if users is not None else {})

    return make


@pytest.fixture
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
