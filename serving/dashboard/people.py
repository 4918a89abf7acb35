"""What is known of one user: scores by snapshot, and what changed between two."""

from datetime import UTC, date

import ibis.expr.types as ir

from features.definitions import FEATURES
from models.predictions import ORDERS
from pipelines.lake import commit_log, tables
from pipelines.lake.names import FEATURE_TABLE
from pipelines.settings import Settings
from serving.dashboard.findings import Importance
from serving.dashboard.population import Population
from serving.dashboard.values import Change, Row, UserScore

SNAPSHOTS = 30
"""Newest snapshots in a user's history."""

COMPARED = 30
"""Most important features that moved at all, whose standing is looked up."""

CHANGES = 8
"""Changes that are shown."""

NOTABLE = 0.01
"""Movement among shoppers, as a share of them, from which a change is worth showing."""


def history(population: Population, user_id: str) -> list[Row]:
    """What the newest SNAPSHOTS snapshots say of a user, oldest first; those without a score of them are left out."""
    connection = tables.connect()
    days = sorted(commit_log.files(population.predictions))[-SNAPSHOTS:]
    rows = tables.read_opened(connection, population.predictions, days)
    return list(rows.filter(rows.user_id == user_id).order_by("snapshot_date").to_pyarrow().to_pylist())


def as_score(row: Row) -> UserScore:
    """A row of `predictions` as a score."""
    scored_at = row["scored_at"].replace(tzinfo=UTC)
    return UserScore(
        user_id=row["user_id"],
        score=row["score"],
        tier=row["tier"],
        expected_spend=row["expected_spend"],
        spend_low=row.get("spend_low"),
        spend_high=row.get("spend_high"),
        purchase_probability=row["purchase_probability"],
        reasons=[reason for reason in (row["reasons"] or "").split("; ") if reason],
        basis=row.get("basis") or ORDERS,
        model_version=row["model_version"],
        snapshot_date=row["snapshot_date"],
        horizon_days=row["horizon_days"],
        scored_at=scored_at,
        live=False,
        baseline=row.get("baseline"),
    )


def changes(settings: Settings, before: date, now: date, user_id: str, importances: list[Importance]) -> list[Change]:
    """What moved most between two snapshots of `features`, of what the model's scores depend on most.

    A number's standing is its percentile among all users of the newer snapshot, ties in the middle. Features are
    ordered by how far the standing moved times the feature's mean effect on the score: a pointer to what changed, no
    account of the points. Categories are left out.

    Returns:
        The changes of at least NOTABLE; none without features of both snapshots.
    """
    if not tables.exists(settings, FEATURE_TABLE):
        return []
    connection, table = tables.connect(), tables.open_table(settings, FEATURE_TABLE)
    rows = tables.read_opened(connection, table, [before, now])
    known = {feature.name: feature for feature in FEATURES if feature.kind == "number"}
    effects = {one.feature: one.effect for one in importances if one.feature in known}
    names = [name for name in effects if name in rows.columns]
    mine = rows.filter(rows.user_id == user_id).select("snapshot_date", *names).to_pyarrow().to_pylist()
    values = {row["snapshot_date"]: row for row in mine}
    if not names or before not in values or now not in values:
        return []
    moved = [name for name in names if None not in (values[before][name], values[now][name])]
    moved = [name for name in moved if values[before][name] != values[now][name]][:COMPARED]
    standings = _standings(rows.filter(rows.snapshot_date == now), moved, values[before], values[now])
    found = [
        Change(
            feature=name,
            text=known[name].description,
            unit=known[name].unit.text,
            before=values[before][name],
            now=values[now][name],
            standing_before=standings[name][0],
            standing_now=standings[name][1],
        )
        for name in moved
    ]
    found.sort(key=lambda change: -effects[change.feature] * change.movement)
    return [change for change in found if change.movement >= NOTABLE][:CHANGES]


def _standings(rows: ir.Table, names: list[str], before: Row, now: Row) -> dict[str, tuple[float, float]]:
    """Percentile ranks of two values of each feature among the rows, in one pass."""
    if not names:
        return {}
    asked = {}
    for number, name in enumerate(names):
        for side, value in (("before", before[name]), ("now", now[name])):
            below, same = (rows[name] < value).cast("float64"), (rows[name] == value).cast("float64")
            asked[f"{side}_{number}"] = (below + same / 2).mean()
    (row,) = rows.aggregate(**asked).to_pyarrow().to_pylist()
    return {name: (row[f"before_{number}"], row[f"now_{number}"]) for number, name in enumerate(names)}
