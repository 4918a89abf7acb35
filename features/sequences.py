"""The last actions of each user before a snapshot, as lists: what networks over sequences read. All lazy.

An action is a day on which the user bought, returned or, in a shop that records events, visited; the channels tell what
was done, and a day can be several things. Each channel is a list column, oldest action first, with one value per action
and at most `STEPS` of them; the lists of a user are equally long. They are kept short and raw: whoever learns from them
pads, scales and takes logarithms, so the lake holds no zeros and one table serves every length.

Actions are forgotten after 364 days, as visits are: a snapshot's cost is bounded however long the history is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import ibis
import ibis.expr.types as ir

from features.visits import OF_EVENTS as EVENT_COLUMNS
from features.visits import VISIT_DAYS

STEPS = 32
"""Actions kept per user; the newest count."""


@dataclass(frozen=True)
class Channel:
    """One value per action.

    Attributes:
        name: `sequence_<measure>`; learners that read one number per user know by the prefix what to leave out.
        expression: takes the days of a user (the columns of `user_day` and `user_event_day` that it names, `age_days`
            and `gap_days`) and gives the value.
        unit: of the value, such as "money" or "days".
        description: what it measures.
        needs: the source columns it is computed from; without them it is left out.
    """

    name: str
    expression: Callable[[ir.Table], ir.NumericValue]
    unit: str
    description: str
    needs: tuple[str, ...] = ("order_lines.amount",)


EVENTS = ("events.event_type",)
PRICE_VIEWS = (*EVENTS, "events.product_id", "products.category", "products.list_price", "order_lines.unit_price")

OF_ORDERS: tuple[Channel, ...] = (
    Channel("sequence_age", lambda day: day.age_days, "days", "From the action to the snapshot; 1 is the day before."),
    Channel("sequence_gap", lambda day: day.gap_days, "days", "Since the action before; 0 for the first of 364 days."),
    Channel("sequence_spend", lambda day: day.spend, "money", "Net spend of the day; below 0 if more was returned."),
    Channel("sequence_units", lambda day: day.units, "units", "Units bought, less units returned."),
    Channel("sequence_lines", lambda day: day.lines, "lines", "Order lines."),
    Channel(
        "sequence_price_level",
        lambda day: day.price_level / day.price_level_lines.nullif(0),
        "standard deviations",
        "Mean price level of the lines within their categories; 0 where there is nothing to compare with.",
        needs=("order_lines.unit_price", "products.category"),
    ),
)

OF_EVENTS: tuple[Channel, ...] = (
    Channel("sequence_views", lambda day: day.views, "events", "Products viewed.", EVENTS),
    Channel("sequence_clicks", lambda day: day.clicks, "events", "Clicks.", EVENTS),
    Channel("sequence_searches", lambda day: day.searches, "events", "Searches.", EVENTS),
    Channel("sequence_carts", lambda day: day.carts, "events", "Times something was put into the cart.", EVENTS),
    Channel("sequence_favourites", lambda day: day.favourites, "events", "Favourites marked.", EVENTS),
    Channel(
        "sequence_dwell",
        lambda day: day.dwell_seconds,
        "seconds",
        "Time spent in the shop.",
        needs=(*EVENTS, "events.dwell_seconds"),
    ),
    Channel(
        "sequence_view_level",
        lambda day: day.view_level / day.view_level_views.nullif(0),
        "standard deviations",
        "Mean price level of the products viewed; 0 where there is nothing to compare with.",
        needs=PRICE_VIEWS,
    ),
)

SEQUENCES = (*OF_ORDERS, *OF_EVENTS)

ORDER_COLUMNS = ("spend", "units", "lines", "price_level", "price_level_lines")
"""What channels read of a day with orders."""


def available(columns: set[str]) -> tuple[Channel, ...]:
    """The channels whose needs, such as "order_lines.amount", are all among `columns`."""
    return tuple(channel for channel in SEQUENCES if columns.issuperset(channel.needs))


def build(
    user_day: ir.Table,
    snapshot_date: date,
    channels: Sequence[Channel] = OF_ORDERS,
    steps: int = STEPS,
    events: ir.Table | None = None,
) -> ir.Table:
    """One row per user with an action in the 364 days before `snapshot_date`: `user_id`, then one list per channel.

    Args:
        user_day: see `features.user_day`.
        snapshot_date: rows of this day and later are not looked at.
        channels: what to give per action, see `available`.
        steps: how many actions at most, the newest ones.
        events: `user_event_day`, see `features.event_day`; None: actions are purchases and returns only.
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
    # all channels in one list, sorted once, by its first field (Spark collects in no order), and taken apart afterwards
    action = ibis.struct({"place": -actions.place, **values})
    told = actions.group_by("user_id").aggregate(action=action.collect())
    told = told.mutate(action=told.action.sort())
    return told.select("user_id", **{name: told.action.map(lambda one, name=name: one[name]) for name in values})


def _remembered(days: ir.Table, snapshot_date: date, columns: Sequence[str]) -> ir.Table:
    """The days that count, in half the bytes: all of it is sorted, and networks read no more digits."""
    first_day = snapshot_date - timedelta(days=VISIT_DAYS)
    past = days.filter(days.day >= first_day, days.day < snapshot_date)
    return past.select("user_id", "day", **{name: past[name].cast("float32") for name in columns})


def _merged(bought: ir.Table, events: ir.Table) -> ir.Table:
    """One row per user and day with orders, events or both; what a day has none of is null."""
    seen = events.rename(seen_user="user_id", seen_day="day")
    both = bought.outer_join(seen, [bought.user_id == seen.seen_user, bought.day == seen.seen_day])
    keys = {"user_id": ibis.coalesce(both.user_id, both.seen_user), "day": ibis.coalesce(both.day, both.seen_day)}
    return both.select(*ORDER_COLUMNS, *EVENT_COLUMNS, **keys)
