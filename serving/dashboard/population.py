"""The users of the newest scored snapshot: counted once per version of the lake, so that a page asks a small table."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from threading import Lock
from typing import TypeVar

import ibis
import ibis.expr.types as ir
from deltalake import DeltaTable
from ibis.backends.duckdb import Backend

from features.schema import MISSING
from models.predictions import TIERS
from models.score.intervals import SMALLEST
from pipelines.lake import commit_log, tables
from serving.dashboard.language import _
from serving.dashboard.picture import BUCKETS, Picture, picture_of
from serving.dashboard.problems import UnknownChoice
from serving.dashboard.values import Row, TrendPoint

ATTRIBUTES = ("region", "age_band")
"""Columns of raw/users that users can be chosen by, as far as the source gives them."""

KEPT = 64
"""Choices of users whose answers are kept."""

LISTED = 10
"""Users in the list of the largest."""

TREND = 14
"""Newest snapshots in a trend."""

SUMS = ("squares", "squares_over_chance", "log_nothing")
"""What the interval of a group's total is made of: sums of m², m² / p and the logarithm of 1 - p."""

FACTS = ("model_version", "scored_at", "horizon_days", "baseline")
"""Columns with one value for all rows of a snapshot; older scores have no `baseline`."""

T = TypeVar("T")
Choice = Mapping[str, str]
"""Columns and the value each must have; empty: everybody."""


class Population:
    """The users of one snapshot.

    Attributes:
        snapshot: the newest scored one.
        before: the one before it; None if there is none.
        facts: model_version, scored_at (UTC, no zone), horizon_days and baseline of its rows.
        values: what users can be chosen by: the values of each column.
    """

    def __init__(self, predictions: DeltaTable, users: DeltaTable | None) -> None:
        self.predictions, self.users = predictions, users
        snapshots = sorted(commit_log.files(predictions))
        self.snapshot: date = snapshots[-1]
        self.before: date | None = snapshots[-2] if len(snapshots) > 1 else None
        self._lock = Lock()
        self._pictures: dict[tuple, Picture] = {}
        self._largest: dict[tuple, list[Row]] = {}
        scratch = tables.connect()  # holds a row for each user until they are counted
        rows = tables.hold(scratch, self._compared(scratch))
        self._connection = tables.connect()
        self._counts = self._keep(self._counted(rows))
        self._leaders = self._keep(self._led(rows))
        self._trend = self._keep(self._by_snapshot(scratch, snapshots[-TREND:]))
        newest = self._rows(scratch)
        facts = newest.select([name for name in FACTS if name in newest.columns]).limit(1)
        self.facts = dict.fromkeys(FACTS) | facts.to_pyarrow().to_pylist()[0]
        self.values = {name: self._values(name) for name in self.attributes} | {"tier": list(TIERS)}

    @property
    def attributes(self) -> tuple[str, ...]:
        """Those of ATTRIBUTES that the lake has."""
        known = {field.name for field in self.users.schema().fields} if self.users else set()
        return tuple(name for name in ATTRIBUTES if name in known)

    @property
    def scored_at(self) -> datetime:
        """When the rows were written, UTC without zone."""
        scored_at: datetime = self.facts["scored_at"]
        return scored_at

    def require(self, choice: Choice) -> None:
        """Check a choice.

        Raises:
            UnknownChoice: a column or value that nobody has.
        """
        for name, value in choice.items():
            if name not in self.values:
                raise UnknownChoice(
                    _(
                        "Users can't be chosen by '%(name)s': the lake has %(known)s. Leave it out, or add the column "
                        "to the source's `users`.",
                        name=name,
                        known=", ".join(self.values),
                    )
                )
            if value not in self.values[name]:
                known = ", ".join(self.values[name][:12]) + (", ..." if len(self.values[name]) > 12 else "")  # noqa: PLR2004
                text = _("No user has the %(what)s '%(value)s'. Choose one of: %(known)s.")
                raise UnknownChoice(text % {"what": name, "value": value[:60], "known": known})

    def picture(self, choice: Choice) -> Picture:
        """The counts of the users that fit; answers are kept while the lake stays as it is.

        Raises:
            UnknownChoice: see `require`.
        """
        self.require(choice)
        with self._lock:
            return _kept(self._pictures, choice, lambda: self._picture(choice))

    def largest(self, choice: Choice) -> list[Row]:
        """The LISTED chosen users with the largest expected spend, largest first; kept like the counts.

        Raises:
            UnknownChoice: see `require`.
        """
        self.require(choice)
        with self._lock:
            return _kept(self._largest, choice, lambda: self._find_largest(choice))

    def trend(self, choice: Choice) -> list[TrendPoint]:
        """Users and expected spend by snapshot, oldest first; users have their newest attributes.

        Raises:
            UnknownChoice: see `require`.
        """
        self.require(choice)
        with self._lock:
            counts = _fitting(self._trend, choice)
            points = counts.group_by("snapshot_date").aggregate(users=counts.users.sum(), spend=counts.spend.sum())
            return [TrendPoint(**row) for row in points.order_by("snapshot_date").to_pyarrow().to_pylist()]

    def chosen(self, connection: Backend, choice: Choice) -> ir.Table:
        """The users that fit, one row each with their attributes; lazy, on the caller's connection.

        Raises:
            UnknownChoice: see `require`.
        """
        self.require(choice)
        return _fitting(self._joined(connection), choice)

    def _rows(self, connection: Backend, snapshot: date | None = None) -> ir.Table:
        return tables.read_opened(connection, self.predictions, [snapshot or self.snapshot])

    def _joined(self, connection: Backend) -> ir.Table:
        return self._with_attributes(connection, self._rows(connection))

    def _with_attributes(self, connection: Backend, rows: ir.Table) -> ir.Table:
        if self.users is None or not self.attributes:
            return rows
        users = tables.read_opened(connection, self.users)
        since = users.valid_from.fill_null(ibis.timestamp("1970-01-01"))
        newest = users.group_by("user_id").aggregate(**{name: users[name].argmax(since) for name in self.attributes})
        joined = rows.left_join(newest, "user_id").drop("user_id_right")
        return joined.mutate(**{name: joined[name].cast("string").fill_null(MISSING) for name in self.attributes})

    def _compared(self, connection: Backend) -> ir.Table:
        """A row for each user: where they stand, where they stood, and their attributes."""
        shown = ("user_id", "tier", "score", "expected_spend", "purchase_probability")
        rows = self._joined(connection).select(*shown, *self.attributes)
        if self.before is None:
            return rows.mutate(tier_before=ibis.null("string"))
        earlier = self._rows(connection, self.before).select("user_id", tier_before="tier")
        return rows.left_join(earlier, "user_id").drop("user_id_right")

    def _by_snapshot(self, connection: Backend, snapshots: list[date]) -> ir.Table:
        rows = tables.read_opened(connection, self.predictions, snapshots)
        rows = self._with_attributes(connection, rows.select("user_id", "snapshot_date", "tier", "expected_spend"))
        return rows.group_by("snapshot_date", "tier", *self.attributes).aggregate(
            users=lambda some: some.count(), spend=lambda some: some.expected_spend.sum()
        )

    def _counted(self, rows: ir.Table) -> ir.Table:
        bucket = (rows.score * BUCKETS / 100).floor().cast("int64").clip(0, BUCKETS - 1)
        groups = ["tier", "tier_before", "bucket", *self.attributes]
        chance = rows.purchase_probability.clip(SMALLEST, 1 - SMALLEST)
        squares = rows.expected_spend**2
        summed = rows.mutate(
            bucket=bucket, squares=squares, squares_over_chance=squares / chance, log_nothing=(1 - chance).ln()
        )
        return summed.group_by(groups).aggregate(
            users=lambda some: some.count(),
            spend=lambda some: some.expected_spend.sum(),
            **{name: summed[name].sum() for name in SUMS},
        )

    def _led(self, rows: ir.Table) -> ir.Table:
        """The LISTED users with most in each cell: those with most of any choice are among them."""
        order = ibis.window(group_by=["tier", *self.attributes], order_by=[ibis.desc("expected_spend"), "user_id"])
        place = rows.mutate(place=ibis.row_number().over(order))
        return place.filter(place.place < LISTED).select("user_id", "expected_spend", "tier", *self.attributes)

    def _keep(self, rows: ir.Table) -> ir.Table:
        name = ibis.util.gen_name("kept")
        self._connection.con.register(name, rows.to_pyarrow())  # Ibis' own way sends what DuckDB 2 refuses
        return self._connection.table(name)

    def _find_largest(self, choice: Choice) -> list[Row]:
        leaders = _fitting(self._leaders, choice).order_by([ibis.desc("expected_spend"), "user_id"]).limit(LISTED)
        names = leaders.user_id.to_pyarrow().to_pylist()
        rows = self._rows(tables.connect())
        columns = ["user_id", "score", "tier", "expected_spend", "purchase_probability", "reasons"]
        found = rows.filter(rows.user_id.isin(names)).select(columns).to_pyarrow().to_pylist() if names else []
        return sorted(found, key=lambda row: names.index(row["user_id"]))

    def _values(self, name: str) -> list[str]:
        return [str(row[name]) for row in self._counts.select(name).distinct().order_by(name).to_pyarrow().to_pylist()]

    def _picture(self, choice: Choice) -> Picture:
        counts = _fitting(self._counts, choice)
        cells = counts.group_by(["tier", "tier_before", "bucket"]).aggregate(
            **{name: counts[name].sum() for name in ("users", "spend", *SUMS)}
        )
        return picture_of(cells.to_pyarrow().to_pylist())


def _kept(answers: dict[tuple, T], choice: Choice, compute: Callable[[], T]) -> T:
    """An answer that is there, or a new one; of more than KEPT none is kept, since most are asked once."""
    key = tuple(sorted(choice.items()))
    found = answers.get(key)
    if found is None:
        found = compute()
        if len(answers) >= KEPT:
            answers.clear()
        answers[key] = found
    return found


def _fitting(rows: ir.Table, choice: Choice) -> ir.Table:
    return rows.filter([rows[name] == value for name, value in choice.items()]) if choice else rows
