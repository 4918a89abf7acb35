"""False alarms in 120 quiet nights, and days from a fault to its alarm, on the simulated marketplace.

    python -m benchmarks.drift                         (ten minutes on 2 busy cores)
    python -m benchmarks.drift USERS SEEDS HISTORIES   (for example 2000 1 100,200)

For each length of history, simulates a shop up to 2024-05-01, learns the reference of a champion as `train` does, with
one linear model instead of the blend, and monitors the next 120 nights with the functions of `purse monitor`: checks,
thresholds, k of n nights, pauses. The nights hold the summer sale and the start of another. Then the same shop with
each fault, from night 10, 50 and 100 on; these runs compare single days only, which is what fires first.
"""

import itertools
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.build import build, labels
from features.daily.orders import categorised_lines, category_prices, product_versions, user_category_day, user_day
from features.definitions import available
from marketplace.plan import Plan
from marketplace.shop import Shop
from models import catalog
from models.measures.drift import Summary
from models.measures.passage import WEEKS
from models.protocol import LabelledUsers
from models.score.percentiles import percentile_score, quantile_grid, tiers
from pipelines.lake import tables as lake
from pipelines.lake.names import ALARM
from pipelines.monitor.checks import COLUMNS, find_drift, find_falls, frame
from pipelines.monitor.report import DAYS
from pipelines.monitor.verdict import decide
from pipelines.retraining.reference.days import count_days, summarise_days
from pipelines.retraining.reference.learned import (
    Reference,
    learn_days,
    learn_populations,
    summarise_features,
    summarise_predictions,
)
from pipelines.retraining.snapshots import plan_snapshots
from pipelines.settings import Settings, load_settings

TRAINED, WATCHED = date(2024, 5, 1), 120
ONSETS, PATIENCE = (10, 50, 100), 7
"""Nights on which faults begin, and nights in which they are waited for."""

EVENTS = ("view", "click", "search", "cart")
A_DAY = timedelta(days=1)


class Fault(NamedTuple):
    """Something that breaks on a day and stays broken.

    Attributes:
        kind: one of `FAULTS`.
        day: first broken day.
    """

    kind: str
    day: date

    def applied(self, name: str, rows: ir.Table) -> ir.Table:
        """Rows of order lines or events as a shop with the fault would have them."""
        later = rows.day >= ibis.literal(self.day)
        if self.kind in PRICE_FACTORS and name == "order_lines":
            money = [column for column in ("unit_price", "amount", "discount") if column in rows.columns]
            factor = ibis.ifelse(later, PRICE_FACTORS[self.kind], 1.0)
            return rows.mutate(**{column: rows[column].cast("float64") * factor for column in money})
        if self.kind == "users_gone":
            return rows.filter(~(later & (rows.user_id.hash().abs() % 10 < 3)))  # noqa: PLR2004 - 30 %
        if self.kind == "events_gone" and name == "events":
            return rows.filter(~later)
        return rows


PRICE_FACTORS = {"prices_1.5": 1.5, "prices_3": 3.0}
FAULTS = (*PRICE_FACTORS, "users_gone", "events_gone")


def simulate(folder: Path, plan: Plan) -> None:
    """Write the rows of a shop, a file per table and day."""
    shop = Shop(plan)
    for day in shop.days():
        for name, table in (("order_lines", day.order_lines), ("events", day.events)):
            dated = table.append_column("day", pa.array([plan.start + A_DAY * day.number] * len(table), pa.date32()))
            (folder / name).mkdir(parents=True, exist_ok=True)
            pq.write_table(dated, folder / name / f"{day.number:04}.parquet")
    pq.write_table(shop.products, folder / "products.parquet")


class Marketplace:
    """Daily tables of a simulated shop in a lake of its own, and the summaries that monitoring reads.

    Args:
        settings: settings with an own home.
        folder: rows of the shop, see `simulate`.
        start: first day.
        end: day after the last.
        fault: something that breaks.
    """

    def __init__(self, settings: Settings, folder: Path, start: date, end: date, fault: Fault | None = None) -> None:
        self.settings, self.start, self.end = settings, start, end
        connection = lake.connect()
        read = {name: connection.read_parquet(folder / name / "*.parquet") for name in ("order_lines", "events")}
        if fault:
            read = {name: fault.applied(name, rows) for name, rows in read.items()}
        read = {name: rows.filter(rows.day < ibis.literal(end)) for name, rows in read.items()}
        products = _naive(connection.read_parquet(folder / "products.parquet"), "valid_from")
        products = products.mutate(valid_from=products.valid_from.fill_null(ibis.timestamp("1970-01-01")))
        orders, events = _naive(read["order_lines"], "ordered_at"), read["events"]
        lines = lake.hold(connection, categorised_lines(orders, product_versions(products)))
        category = products.select("product_id", "category").distinct()
        viewed = events.filter(events.event_type == "view").join(category, "product_id")
        tables = {
            "raw/order_lines": orders.drop("order_id", "line"),
            "user_day": user_day(lines, category_prices(lines)),
            "user_category_day": user_category_day(lines),
            "user_event_day": _user_event_day(events),
            "user_event_category_day": viewed.group_by(["day", "category"]).aggregate(
                views=viewed.count().cast("float64")
            ),
        }
        for name, table in tables.items():
            lake.replace(settings, name, table.to_pyarrow(), "day", start, end)
        self._daily = {name: lake.hold(connection, tables[name]) for name in ("user_day", "user_category_day")}
        self._features = available({f"order_lines.{name}" for name in orders.columns} | {"products.category"})
        self._features = tuple(one for one in self._features if one.table != "users")

    def features(self, snapshot: date) -> pd.DataFrame:
        """Features of every buyer, ordered by user."""
        table = build(self._daily, snapshot, self._features)
        return table.order_by("user_id").to_pyarrow().to_pandas().set_index("user_id")

    def labelled(self, snapshot: date, label_days: int) -> LabelledUsers:
        """Features of every buyer with their future spend."""
        features = self.features(snapshot)
        truth = labels(self._daily["user_day"], snapshot, label_days).to_pyarrow().to_pandas().set_index("user_id")
        truth = truth.reindex(features.index)
        return LabelledUsers(features, truth["future_spend"].fillna(0.0), truth["purchased"] == True)  # noqa: E712

    def days(self, start: date, end: date) -> dict[str, dict[date, Summary]]:
        """Summaries of single days."""
        return summarise_days(self.settings, start, end)


class Champion:
    """Model with the reference that `train` stores for it."""

    def __init__(self, shop: Marketplace) -> None:
        settings = shop.settings
        plan = plan_snapshots(shop.start, TRAINED, settings.horizon_days, settings.snapshots)
        self.model = catalog.build("ridge_rfm", {"btyd_features": "none"}, seed=0, threads=2, horizon_days=28)
        parts = [shop.labelled(day, plan.label_days) for day in plan.final]
        self.model.fit(
            LabelledUsers(
                *(pd.concat(columns, ignore_index=True) for columns in zip(*map(_columns, parts), strict=True))
            )
        )
        populations = {day: shop.features(day) for day in (*plan.final, plan.test)}
        self.grid = quantile_grid(self.model.predict(populations[plan.test])["expected_spend"])
        columns = learn_populations(
            {day: self.summaries(one) for day, one in populations.items()}, plan.test, shop.start
        )
        start = TRAINED - timedelta(days=settings.monitor.reference_days)
        self.reference = Reference(plan.test, columns | learn_days(shop.days(start, TRAINED)))

    def summaries(self, features: pd.DataFrame) -> dict[str, Summary]:
        """Summaries of features and predictions."""
        said = self.model.predict(features)
        score = percentile_score(self.grid, said["expected_spend"].to_numpy())
        said = said.assign(score=score, tier=tiers(score, {"high": 0.2, "mid": 0.3}))
        return summarise_features(features) | summarise_predictions(said)


def watch(
    shop: Marketplace, reference: Reference, summaries: Callable[[date], dict[str, Summary]]
) -> list[tuple[date, str]]:
    """Alarms of the nights after the training, each with its reason.

    Args:
        shop: that is watched, to its end.
        reference: of the champion.
        summaries: of features and predictions at a snapshot.
    """
    config, days = shop.settings.monitor, shop.days(TRAINED, shop.end)
    counts = count_days(shop.settings, TRAINED - A_DAY * (7 * WEEKS + 1), shop.end)
    history, alarms = pd.DataFrame(columns=["snapshot_date", "model_version", *COLUMNS, "violated"]), []
    for number in range(1, (shop.end - TRAINED).days + 1):
        night = TRAINED + A_DAY * number
        now = summaries(night)
        now |= {f"days.{name}": by_day[night - A_DAY] for name, by_day in days.items() if night - A_DAY in by_day}
        found = [
            *find_drift(night, reference, now, history, config.spreads, config.of_days),
            *find_falls(counts, night),
        ]
        checks = frame([(name, str(kind), value, threshold) for name, (kind, value, threshold) in found])
        verdict = decide(config, night, "1", checks, history)
        alarm = {"name": ALARM, "kind": "days", "value": 0.0, "threshold": 0.0, "violated": verdict.alarm}
        rows = pd.DataFrame([*checks.to_dict("records"), alarm]).assign(snapshot_date=night, model_version="1")
        history = rows if history.empty else pd.concat([history, rows], ignore_index=True)
        history = history[history["snapshot_date"] > night - A_DAY * DAYS]
        if verdict.alarm:
            alarms.append((night, verdict.reason))
    return alarms


def main(users: int, seeds: int, histories: Sequence[int]) -> None:
    """Measure and print."""
    print(f"{users:,} simulated users, reference of {TRAINED}, {WATCHED} nights monitored.\n")
    heads = [f"{fault}: nights to alarm" for fault in FAULTS]
    print(f"| days of history | seed | false alarms in {WATCHED} quiet nights | " + " | ".join(heads) + " |")
    print("|---|---|---|" + "---|" * len(FAULTS))
    reasons: list[str] = []
    for days, seed in itertools.product(histories, range(seeds)):
        start = TRAINED - A_DAY * days
        with tempfile.TemporaryDirectory() as folder:
            simulate(Path(folder), Plan(users, days + WATCHED, seed, start))
            cells = _measured(Path(folder), start, reasons)
        print(f"| {days} | {seed} | " + " | ".join(cells) + " |", flush=True)
    print("\nWhat fired:\n")
    print("\n".join(f"- {line}" for line in reasons))


def _measured(folder: Path, start: date, reasons: list[str]) -> list[str]:
    """Cells of a row: quiet alarms, then the nights to the alarm of each fault by `ONSETS`."""

    def shop(home: str, end: date, fault: Fault | None = None) -> Marketplace:
        settings = load_settings().with_changes(home=Path(home), lake_root=None)
        return Marketplace(settings, folder, start, end, fault)

    with tempfile.TemporaryDirectory() as home:
        quiet = shop(home, TRAINED + A_DAY * WATCHED)
        champion = Champion(quiet)
        alarms = watch(quiet, champion.reference, lambda day: champion.summaries(quiet.features(day)))
    reasons += [f"{start}, quiet: {reason}" for _, reason in alarms]
    cells = [str(len(alarms))]
    for kind in FAULTS:
        nights = []
        for onset in ONSETS:
            first = TRAINED + A_DAY * onset
            with tempfile.TemporaryDirectory() as home:
                broken = shop(home, first + A_DAY * PATIENCE, Fault(kind, first))
                found = watch(broken, champion.reference, lambda _: {})
            found = [one for one in found if one[0] > first and one not in alarms]
            nights.append(str((found[0][0] - first).days) if found else f"not in {PATIENCE}")
            reasons += [f"{start}, {kind} from night {onset}: {found[0][1]}"] if found else []
        cells.append(", ".join(nights))
    return cells


def _columns(users: LabelledUsers) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    return users.features, users.future_spend, users.purchased


def _naive(table: ir.Table, column: str) -> ir.Table:
    return table.mutate(**{column: table[column].cast("timestamp('UTC')").cast("timestamp")})


def _user_event_day(events: ir.Table) -> ir.Table:
    counts = {f"{name}es" if name == "search" else f"{name}s": events.event_type == name for name in EVENTS}
    return events.group_by(["user_id", "day"]).aggregate(
        **{name: condition.sum().cast("float64") for name, condition in counts.items()},
        dwell_seconds=events.dwell_seconds.sum().fill_null(0).cast("float64"),
    )


if __name__ == "__main__":
    given = sys.argv[1:]
    main(
        int(given[0]) if given else 10_000,
        int(given[1]) if len(given) > 1 else 1,
        [int(days) for days in given[2].split(",")] if len(given) > 2 else [100, 200, 700],  # noqa: PLR2004
    )
