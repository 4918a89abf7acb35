"""The last actions of each user before a snapshot, as lists: what networks over sequences read. All lazy.

An action is a day on which the user bought or returned. Each channel is a list column, oldest action first, with one
value per action and at most `STEPS` of them; the lists of a user are equally long. They are kept short and raw: whoever
learns from them pads, scales and takes logarithms, so the lake holds no zeros and one table serves every length.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import ibis
import ibis.expr.types as ir

STEPS = 32
"""Actions kept per user; the newest count."""


@dataclass(frozen=True)
class Channel:
    """One value per action.

    Attributes:
        name: `sequence_<measure>`; learners that read one number per user know by the prefix what to leave out.
        expression: takes the days of a user (the columns of `user_day`, `age_days` and `gap_days`) and gives the value.
        unit: of the value, such as "money" or "days".
        description: what it measures.
        needs: the source columns it is computed from; without them it is left out.
    """

    name: str
    expression: Callable[[ir.Table], ir.NumericValue]
    unit: str
    description: str
    needs: tuple[str, ...] = ("order_lines.amount",)


SEQUENCES: tuple[Channel, ...] = (
    Channel("sequence_age", lambda day: day.age_days, "days", "From the action to the snapshot; 1 is the day before."),
    Channel("sequence_gap", lambda day: day.gap_days, "days", "Since the user's action before; 0 for the first ever."),
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


def available(columns: set[str]) -> tuple[Channel, ...]:
    """The channels whose needs, such as "order_lines.amount", are all among `columns`."""
    return tuple(channel for channel in SEQUENCES if columns.issuperset(channel.needs))


def build(
    user_day: ir.Table, snapshot_date: date, channels: Sequence[Channel] = SEQUENCES, steps: int = STEPS
) -> ir.Table:
    """One row per user with an action before `snapshot_date` (exclusive): `user_id`, then one list per channel.

    Args:
        user_day: see `features.user_day`.
        snapshot_date: rows of this day and later are not looked at.
        channels: what to give per action, see `available`.
        steps: how many actions at most, the newest ones.
    """
    past = user_day.filter(user_day.day < snapshot_date)
    age = ibis.literal(snapshot_date).delta(past.day, unit="day").cast("float64")
    onward = ibis.window(group_by="user_id", order_by="day")
    backward = ibis.window(group_by="user_id", order_by=ibis.desc("day"))
    placed = past.mutate(
        age_days=age, gap_days=(age.lag().over(onward) - age).fill_null(0.0), place=ibis.row_number().over(backward)
    )
    actions = placed.filter(placed.place < steps)
    return actions.group_by("user_id").aggregate(
        **{
            channel.name: channel.expression(actions).fill_null(0.0).cast("float64").collect(order_by=actions.day)
            for channel in channels
        }
    )
