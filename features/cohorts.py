"""Spend by cohort: the table from which the level of all spend is forecast."""

from datetime import date

import ibis.expr.types as ir

from features.exact import exact_sum


def cohort_spend(user_day: ir.Table, snapshot_date: date) -> ir.Table:
    """Add up spend by the day of the user's first purchase and by day.

    >>> import ibis
    >>> days = {"user_id": ["u", "u", "v"], "day": [date(2024, 1, 1), date(2024, 1, 3), date(2024, 1, 3)]}
    >>> user_day = ibis.memtable(days | {"spend": [5.0, 2.0, 7.0], "units_bought": [1.0, 1.0, 1.0]})
    >>> cohorts = cohort_spend(user_day, date(2024, 1, 4)).order_by("first_day", "day").execute()
    >>> [(row.first_day.day, row.day.day, row.spend) for row in cohorts.itertuples()]
    [(1, 1, 5.0), (1, 3, 2.0), (3, 3, 7.0)]

    Args:
        user_day: one row per user and day, see `features.daily.orders`.
        snapshot_date: rows of this day and later are ignored.

    Returns:
        One row per `first_day` (a day on which users bought for the first time) and `day`, with the net `spend` of
        these users on that day, in money. Users who never bought are in no cohort.
    """
    past = user_day.filter(user_day.day < snapshot_date)
    purchases = past.filter(past.units_bought > 0)
    first = purchases.group_by("user_id").aggregate(first_day=purchases.day.min())
    joined = past.inner_join(first, "user_id")
    return joined.group_by(["first_day", "day"]).aggregate(spend=exact_sum(joined.spend))
