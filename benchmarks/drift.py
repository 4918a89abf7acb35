"""Days from a drift to its alarm, and false alarms in 60 undisturbed days, on the simulated marketplace.

    python benchmarks/drift.py                  (a quarter of an hour on 2 busy cores)
    python benchmarks/drift.py USERS SEEDS

Simulates a shop from 2024-01-01 on, learns the reference of a champion trained on 2024-05-01 as `train` does, with one
linear model instead of the blend, and monitors the next 60 days, in which the shop has no campaign. Checks,
thresholds and the rule k of n are those of `purse monitor`; features and predictions are compared every day.
"""

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

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
from models.measures.drift import Summary, check, persistent
from models.protocol import LabelledUsers
from models.score.percentiles import percentile_score, quantile_grid, tiers
from pipelines.lake import tables as lake
from pipelines.retraining.reference.days import summarise_days
from pipelines.retraining.reference.learned import (
    Reference,
    learn_days,
    learn_populations,
    summarise_features,
    summarise_predictions,
)
from pipelines.retraining.snapshots import plan_snapshots
from pipelines.settings import Settings, load_settings

START, TRAINED, WATCHED = date(2024, 1, 1), date(2024, 5, 1), 60
DRIFT_AFTER = 14
"""Days from the training to the start of the drift."""

KINDS = ("price_rise", "mix_change", "broken_tracking")
EVENTS = ("view", "click", "search", "cart")
A_DAY = timedelta(days=1)


class Marketplace:
    """Simulated shop with its daily tables in a lake of its own, and the summaries that monitoring reads."""

    def __init__(self, settings: Settings, users: int, seed: int, end: date, drift: Mapping[str, int]) -> None:
        self.settings, self.end = settings, end
        days, connection = (end - START).days, lake.connect()
        shop = Shop(Plan(users, days, seed, START, drift))
        folder = settings.home_path / "simulated"
        folder.mkdir(parents=True)
        for day in shop.days():
            for name, table in (("order_lines", day.order_lines), ("events", day.events)):
                dated = table.append_column("day", pa.array([START + A_DAY * day.number] * len(table), pa.date32()))
                (folder / name).mkdir(exist_ok=True)
                pq.write_table(dated, folder / name / f"{day.number:04}.parquet")
        pq.write_table(shop.products, folder / "products.parquet")
        read = {name: connection.read_parquet(folder / name / "*.parquet") for name in ("order_lines", "events")}
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
            lake.replace(settings, name, table.to_pyarrow(), "day", START, end)
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
        plan = plan_snapshots(START, TRAINED, settings.horizon_days, settings.snapshots)
        self.model = catalog.build("ridge_rfm", {"btyd_features": "none"}, seed=0, threads=2, horizon_days=28)
        parts = [shop.labelled(day, plan.label_days) for day in plan.final]
        self.model.fit(
            LabelledUsers(
                *(pd.concat(columns, ignore_index=True) for columns in zip(*map(_columns, parts), strict=True))
            )
        )
        populations = {day: shop.features(day) for day in (*plan.final, plan.test)}
        self.grid = quantile_grid(self.model.predict(populations[plan.test])["expected_spend"])
        columns = learn_populations({day: self.summaries(one) for day, one in populations.items()}, plan.test, START)
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
) -> list[tuple[date, list[str]]]:
    """Alarms of the snapshots after the training, each with the checks that raised it.

    Args:
        shop: that is watched, to its end.
        reference: of the champion.
        summaries: of features and predictions at a snapshot.
    """
    config, days, start = shop.settings.monitor, shop.days(TRAINED, shop.end), TRAINED
    violated: list[frozenset[str]] = []
    alarms: list[tuple[date, list[str]]] = []
    for number in range(1, (shop.end - start).days + 1):
        snapshot = start + A_DAY * number
        now = summaries(snapshot)
        now |= {f"days.{name}": by_day[snapshot - A_DAY] for name, by_day in days.items() if snapshot - A_DAY in by_day}
        lag = float((snapshot - reference.snapshot).days)
        columns = reference.columns
        violated.append(
            frozenset(
                f"{name} {found.measure}"
                for name in columns.keys() & now.keys()
                for found in check(columns[name], now[name], lag, config.spreads)
                if found.value > found.threshold
            )
        )
        lasting = persistent(violated, config.days, config.of_days)
        if lasting and (not alarms or (snapshot - alarms[-1][0]).days > config.pause_days):
            alarms.append((snapshot, lasting))
    return alarms


def measure(users: int, seed: int, kind: str | None, watched: int = WATCHED) -> list[tuple[date, list[str]]]:
    """Alarms in a shop without drift (no kind), or with drift `DRIFT_AFTER` days after the training."""
    first = (TRAINED - START).days + DRIFT_AFTER
    with tempfile.TemporaryDirectory() as home:
        settings = load_settings().with_changes(home=Path(home), lake_root=None)
        end = TRAINED + timedelta(days=watched)
        shop = Marketplace(settings, users, seed, end, {kind: first} if kind else {})
        champion = Champion(shop)
        return watch(shop, champion.reference, lambda day: champion.summaries(shop.features(day)))


def main(users: int, seeds: Sequence[int]) -> None:
    """Measure and print."""
    print(f"{users:,} simulated users, reference of {TRAINED}, {WATCHED} days monitored.\n")
    print(
        "| seed | false alarms in 60 undisturbed days | " + " | ".join(f"{kind}: days to fire" for kind in KINDS) + " |"
    )
    print("|---|---|" + "---|" * len(KINDS))
    beginning, fired = TRAINED + timedelta(days=DRIFT_AFTER), []
    for seed in seeds:
        quiet = measure(users, seed, None)
        fired += [f"seed {seed}, undisturbed: {day}, {', '.join(names[:4])}" for day, names in quiet]
        cells = [str(len(quiet))]
        for kind in KINDS:
            alarms = [one for one in measure(users, seed, kind, DRIFT_AFTER + 10) if one[0] > beginning]
            cells.append(str((alarms[0][0] - beginning).days) if alarms else "not in 10")
            fired += [f"seed {seed}, {kind}: {alarms[0][0]}, {', '.join(alarms[0][1][:4])}"] if alarms else []
        print(f"| {seed} | " + " | ".join(cells) + " |", flush=True)
    print("\nWhat fired:\n")
    print("\n".join(f"- {line}" for line in fired))


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
    main(int(given[0]) if given else 10_000, range(int(given[1]) if len(given) > 1 else 3))
