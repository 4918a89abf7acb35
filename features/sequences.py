"""Last actions of each user before a snapshot, as lists: the input of networks over sequences. All lazy.

An action is a day on which the user bought, returned or, in a shop that records events, visited; a day can be several
of these. Each channel is a list column with one value per action, oldest first, at most `STEPS` values. The lists of a
user have the same length. Padding, scaling and logarithms are left to the networks, so the lake stores no zeros and one
table serves every length.

Actions older than 364 days are ignored, like visits: the cost of a snapshot does not grow with the history.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import ibis
import ibis.expr.types as ir

from features.feature import SEQUENCE
from features.units import Unit
from features.visits import OF_EVENTS as EVENT_COLUMNS
from features.visits import VISIT_DAYS

STEPS = 32
"""Maximum number of actions per user; older ones are left out."""


@dataclass(frozen=True)
class Channel:
    """Declaration of a channel: one value per action.

    >>> SEQUENCES[0].name, SEQUENCES[0].unit.text
    ('sequence_age', 'days')

    Attributes:
        measure: name without the prefix.
        expression: takes the days of a user (columns of `user_day` and `user_event_day`, `age_days` and `gap_days`)
            and returns the value.
        unit: unit of the value.
        description: what the channel measures.
        needs: source columns that the value is computed from; without them the channel is left out.
    """

    measure: str
    expression: Callable[[ir.Table], ir.NumericValue]
    unit: Unit
    description: str
    needs: tuple[str, ...] = ("order_lines.amount",)

    @property
    def name(self) -> str:
        """Name of the column; models that read one number per user leave out columns with this prefix."""
        return f"{SEQUENCE}{self.measure}"


EVENTS = ("events.event_type",)
PRICE_VIEWS = (*EVENTS, "events.product_id", "products.category", "products.list_price", "order_lines.unit_price")

OF_ORDERS: tuple[Channel, ...] = (
    Channel("age", lambda day: day.age_days, Unit.DAYS, "Days from the action to the snapshot; 1 is the day before."),
    Channel(
        "gap", lambda day: day.gap_days, Unit.DAYS, "Days since the previous action; 0 for the oldest of 364 days."
    ),
    Channel("spend", lambda day: day.spend, Unit.MONEY, "Net spend of the day; below 0 if more was returned."),
    Channel("units", lambda day: day.units, Unit.UNITS, "Units bought less units returned."),
    Channel("lines", lambda day: day.lines, Unit.LINES, "Order lines."),
    Channel(
        "price_level",
        lambda day: day.price_level / day.price_level_lines.nullif(0),
        Unit.STANDARD_DEVIATIONS,
        "Mean price level of the lines within their categories; 0 without prices to compare with.",
        needs=("order_lines.unit_price", "products.category"),
    ),
)

OF_EVENTS: tuple[Channel, ...] = (
    Channel("views", lambda day: day.views, Unit.EVENTS, "Product views.", EVENTS),
    Channel("clicks", lambda day: day.clicks, Unit.EVENTS, "Clicks.", EVENTS),
    Channel("searches", lambda day: day.searches, Unit.EVENTS, "Searches.", EVENTS),
    Channel("carts", lambda day: day.carts, Unit.EVENTS, "Items put into the cart.", EVENTS),
    Channel("favourites", lambda day: day.favourites, Unit.EVENTS, "Favourites marked.", EVENTS),
    Channel(
        "dwell",
        lambda day: day.dwell_seconds,
        Unit.SECONDS,
        "Time spent in the shop.",
        needs=(*EVENTS, "events.dwell_seconds"),
    ),
    Channel(
        "view_level",
        lambda day: day.view_level / day.view_level_views.nullif(0),
        Unit.STANDARD_DEVIATIONS,
        "Mean price level of the products viewed; 0 without prices to compare with.",
        needs=PRICE_VIEWS,
    ),
)

SEQUENCES = (*OF_ORDERS, *OF_EVENTS)

ORDER_COLUMNS = ("spend", "units", "lines", "price_level", "price_level_lines")
"""Columns of a day with orders that channels read."""


def available(columns: set[str]) -> tuple[Channel, ...]:
    """Channels whose needs are all among `columns`.

    >>> [channel.name for channel in available({"events.event_type", "events.dwell_seconds"})][-2:]
    ['sequence_favourites', 'sequence_dwell']

    Args:
        columns: source columns with their table, such as "order_lines.amount".
    """
    return tuple(channel for channel in SEQUENCES if columns.issuperset(channel.needs))


def build(
    user_day: ir.Table,
    snapshot_date: date,
    channels: Sequence[Channel] = OF_ORDERS,
    steps: int = STEPS,
    events: ir.Table | None = None,
) -> ir.Table:
    """List the last actions: one row per user with an action in the 364 days before `snapshot_date`.

    >>> days = {"user_id": ["u", "u"], "day": [date(2024, 2, 20), date(2024, 2, 28)], "spend": [5.0, 9.0]}
    >>> user_day = ibis.memtable(days | dict.fromkeys(ORDER_COLUMNS[1:], [1.0, 1.0]))
    >>> (row,) = build(user_day, date(2024, 3, 1), OF_ORDERS[:3]).execute().itertuples(index=False)
    >>> list(row.sequence_age), list(row.sequence_gap), list(row.sequence_spend)
    ([10.0, 2.0], [0.0, 8.0], [5.0, 9.0])

    Args:
        user_day: one row per user and day with orders, see `features.daily.orders`.
        snapshot_date: rows of this day and later are ignored.
        channels: channels to compute, see `available`.
        steps: maximum number of actions; the newest are taken.
        events: one row per user and day with events, see `features.daily.events`; None: actions are purchases and
            returns only.

    Returns:
        `user_id` and one list of float32 per channel, oldest action first, null values as 0.
    """
    past = _remembered(user_day, snapshot_date, ORDER_COLUMNS)
    if events is not None:
        past = _merged(past, _remembered(events, snapshot_date, EVENT_COLUMNS))
    age = ibis.literal(snapshot_date).delta(past.day, unit="day").cast("float32")
    backward = ibis.window(group_by="user_id", order_by=ibis.desc("day"))
    gap = (age.lead().over(backward) - age).fill_null(0.0)
    placed = past.mutate(age_days=age, gap_days=gap, place=ibis.row_number().over(backward))
    actions = placed.filter(placed.place < steps)
    values = {channel.name: channel.expression(actions).fill_null(0.0).cast("float32") for channel in channels}
    # one list of structs, sorted once by its first field (Spark collects in no order), then split into channels
    action = ibis.struct({"place": -actions.place, **values})
    listed = actions.group_by("user_id").aggregate(action=action.collect())
    listed = listed.mutate(action=listed.action.sort())
    return listed.select("user_id", **{name: listed.action.map(lambda one, name=name: one[name]) for name in values})


def _remembered(days: ir.Table, snapshot_date: date, columns: Sequence[str]) -> ir.Table:
    """Days of the last 364 as float32: sorting needs half the memory, and networks read no more digits."""
    first_day = snapshot_date - timedelta(days=VISIT_DAYS)
    past = days.filter(days.day >= first_day, days.day < snapshot_date)
    return past.select("user_id", "day", **{name: past[name].cast("float32") for name in columns})


def _merged(bought: ir.Table, events: ir.Table) -> ir.Table:
    """Join to one row per user and day with orders, events or both; the columns of the missing side are null."""
    seen = events.rename(seen_user="user_id", seen_day="day")
    both = bought.outer_join(seen, [bought.user_id == seen.seen_user, bought.day == seen.seen_day])
    keys = {"user_id": ibis.coalesce(both.user_id, both.seen_user), "day": ibis.coalesce(both.day, both.seen_day)}
    return both.select(*ORDER_COLUMNS, *EVENT_COLUMNS, **keys)
