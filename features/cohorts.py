"""What the users who came on the same day spent since: the table that the level of all spend is forecast from."""

from datetime import date

import ibis.expr.types as ir


def cohort_spend(user_day: ir.Table, snapshot_date: date) -> ir.Table:
    """One row per `first_day`, a first purchase day, and `day`, with the net `spend` on it of those who came then.

    Args:
        user_day: one row per user and day, see `features.user_day`.
        snapshot_date: rows of this day and later are not looked at.
    """
    past = user_day.filter(user_day.day < snapshot_date)
    purchases = past.filter(past.units_bought > 0)
    first = purchases.group_by("user_id").aggregate(first_day=purchases.day.min())
    joined = past.inner_join(first, "user_id")
    return joined.group_by(["first_day", "day"]).aggregate(spend=joined.spend.sum())
