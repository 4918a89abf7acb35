"""Releases made by hand: a history from rows in memory and a small model, without MLflow and a lake."""

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa

from features.build import build
from features.daily.events import catalogued_events, user_event_category_day, user_event_day
from features.daily.orders import categorised_lines, category_prices, product_versions, user_category_day, user_day
from features.definitions import FEATURES, available, of_attributes
from features.schema import TABLES
from models import catalog
from models.cold_start.model import ColdStart
from models.cold_start.segment_mean import SegmentMean
from models.protocol import LabelledUsers
from models.purchasing_power import Member, PurchasingPower
from models.purchasing_power import build as blend
from models.score import calibration
from models.score.intervals import LEVELS, Intervals
from serving.release import history
from serving.release.release import ABOUT, HISTORY, SCORES, write_model

SNAPSHOT = date(2024, 3, 1)
COLUMNS = tuple(f"{table.name}.{column.name}" for table in TABLES.values() for column in table.columns)
FAMILIES = ("lightgbm_tweedie", "ridge_rfm", "random_forest")
INTERVALS = Intervals(np.array([1.0]), 2.0 * LEVELS[None, :], unit=20.0)
TYPES = {"VARCHAR": pa.string(), "TIMESTAMP": pa.timestamp("us"), "DOUBLE": pa.float64(), "BIGINT": pa.int64()}

Rows = Mapping[str, pa.Table]


def day(number: int) -> date:
    """The day so many days after the release's snapshot; those before it are negative."""
    return SNAPSHOT + timedelta(days=number)


def canonical(name: str, rows: list[dict]) -> pa.Table:
    """Rows of a canonical table, with what they lack as nulls, and their day."""
    table = TABLES[name]
    full = [{**row, "day": row[table.time].date()} for row in rows]
    fields = [(column.name, TYPES[column.type]) for column in table.columns]
    return pa.Table.from_pylist(full, schema=pa.schema([*fields, ("day", pa.date32())]))


def random_shop(users: int = 40, seed: int = 0) -> Rows:
    """Products with versions, and 60 days of orders, returns and events of users, some of whom never buy."""
    random = np.random.default_rng(seed)
    lines, events = [], []
    for number in range(users * 12):
        user, at = (
            f"u{random.integers(users)}",
            datetime.combine(day(-int(random.integers(1, 61))), datetime.min.time()),
        )
        at += timedelta(minutes=int(random.integers(1440)))
        quantity, price = float(random.choice([1, 2, 3, -1])), float(np.round(random.lognormal(2, 1), 2))
        lines.append(line(user, at, f"p{random.integers(6)}", quantity, price, number))
        visitor = f"u{random.integers(users + 10)}"
        kind = str(random.choice(["view", "click", "search", "cart", "favourite"]))
        events.append(event(visitor, at, kind, f"p{random.integers(6)}", number))
    known = [profile(f"u{n}", None, f"r{n % 3}", f"a{n % 2}", day(-90 + n)) for n in range(0, users + 20, 2)]
    return {
        "order_lines": canonical("order_lines", lines),
        "events": canonical("events", events),
        "users": canonical("users", known),
        "products": canonical("products", catalogue()),
    }


def line(user: str, at: datetime, product: str, quantity: float, price: float, number: int) -> dict:
    """An order line; lines of a user and hour are one order."""
    return {
        "order_id": f"{user} {at:%d %H}",
        "product_id": product,
        "line": number,
        "user_id": user,
        "ordered_at": at,
        "quantity": quantity,
        "unit_price": price,
        "amount": price * quantity,
        "discount": 0.1 * price,
        "unit_cost": 0.5 * price,
    }


def event(user: str, at: datetime, kind: str, product: str | None, number: int) -> dict:
    """An event; four in a row are a session."""
    return {
        "event_id": f"e{number}",
        "user_id": user,
        "occurred_at": at,
        "event_type": kind,
        "product_id": product,
        "session_id": f"s{number // 4}",
        "dwell_seconds": float(number % 50),
    }


def profile(user: str, since: date | None, region: str, age_band: str | None, registered: date | None) -> dict:
    """A version of a user; without a date it holds always."""
    start = datetime.min.time()
    return {
        "user_id": user,
        "valid_from": datetime.combine(since or date(1970, 1, 1), start),
        "region": region,
        "age_band": age_band,
        "registered_at": None if registered is None else datetime.combine(registered, start),
    }


def catalogue() -> list[dict]:
    """Five products of two categories, whose prices rise ten days before the snapshot; a sixth, p5, is unknown."""
    begins = [datetime(1970, 1, 1), datetime.combine(day(-10), datetime.min.time())]  # noqa: DTZ001 - shop's own time
    return [
        {"product_id": f"p{n}", "valid_from": at, "category": f"c{n % 2}", "list_price": (2.0 + n) * (1 + version)}
        for n in range(5)
        for version, at in enumerate(begins)
    ]


def daily(rows: Rows) -> dict[str, ibis.Table]:
    """The first stage over all rows at once, as the batch computes it."""
    connection = ibis.duckdb.connect()
    raw = {name: connection.create_table(name, ibis.memtable(table), temp=True) for name, table in rows.items()}
    versions = product_versions(raw["products"])
    lines, events = categorised_lines(raw["order_lines"], versions), catalogued_events(raw["events"], versions)
    prices = category_prices(lines)
    reduced = {
        "user_day": user_day(lines, prices),
        "user_category_day": user_category_day(lines),
        "user_event_day": user_event_day(events, prices),
        "user_event_category_day": user_event_category_day(events),
        "users": raw["users"],
        "prices": prices,
        "products": versions,
    }
    return {name: connection.create_table(f"held_{name}", table, temp=True) for name, table in reduced.items()}


def features_of(tables: Mapping[str, ibis.Table], snapshot: date) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The second stage: all features of those who have bought and of those who have not."""
    given = available(set(COLUMNS))
    buyers = build(tables, snapshot, given).to_pyarrow().to_pandas()
    others = build(tables, snapshot, of_attributes(given), population="without_orders").to_pyarrow().to_pandas()
    return buyers.sort_values("user_id", ignore_index=True), others.sort_values("user_id", ignore_index=True)


def small_model() -> PurchasingPower:
    """A blend of three families and a cold start that learns from profile and behaviour, fitted on a random shop."""
    buyers, others = (frame.drop(columns="user_id") for frame in features_of(daily(random_shop()), SNAPSHOT))
    users, attributes = _labelled(buyers, 1), _labelled(others, 2)
    return blend(
        [Member(1 / len(FAMILIES), _fitted(family, users), family) for family in FAMILIES],
        buyers,
        horizon_days=28,
        calibration=calibration.fit([], []),
        intervals=INTERVALS,
        phrases={feature.name: feature.phrase for feature in FEATURES},
        tier_shares={"high": 0.2, "mid": 0.3},
        top_reasons=3,
        cold_start=ColdStart(
            segments=SegmentMean().fit(attributes),
            learner=_fitted("gradient_boosting", attributes),
            choice=None,
            spend_factor=0.5,
            probability_factor=0.5,
            intervals=INTERVALS,
            learned_from="without_orders",
            reasons=None,
            phrases={feature.name: feature.phrase for feature in FEATURES},
        ),
    )


def make_release(
    folder: Path, rows: Rows, model: PurchasingPower, scores: pd.DataFrame | None = None, home: Path | None = None
) -> Path:
    """Write a release of rows from before the snapshot, sealed by a home: by default the folder around it."""
    folder.mkdir(parents=True)
    tables = daily(rows)
    connection = tables["user_day"].get_backend()
    history.write_tables(connection, tables, folder / HISTORY)
    connection.disconnect()
    write_model(home or folder.parent, model, {"calibration": model.calibration, "intervals": model.intervals}, folder)
    (scores if scores is not None else pd.DataFrame({"user_id": ["nobody"]})).to_parquet(folder / SCORES)
    about = {
        "model_version": "7",
        "snapshot_date": SNAPSHOT.isoformat(),
        "horizon_days": 28,
        "created_at": "2024-03-01T02:00:00+00:00",
        "columns": COLUMNS,
        "backend": "tensorflow",
    }
    (folder / ABOUT).write_text(json.dumps(about))
    return folder


def _fitted(family: str, users: LabelledUsers) -> object:
    return catalog.build(family, {}, seed=0, threads=1, horizon_days=28).fit(users)


def _labelled(features: pd.DataFrame, seed: int) -> LabelledUsers:
    spend = pd.Series(np.random.default_rng(seed).gamma(0.5, 30.0, len(features)).round(2))
    return LabelledUsers(features, spend, spend > 1)
