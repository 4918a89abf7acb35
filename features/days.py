"""The view of a user's days that the expressions of features are written against."""

import ibis
import ibis.expr.types as ir


class Days:
    """Columns of a user's days inside an aggregation, null outside the window: every aggregate skips the other days.

    >>> import ibis
    >>> rows = ibis.memtable({"age_days": [1.0, 7.0, 8.0], "spend": [2.0, 4.0, 8.0]})
    >>> days = Days(rows, window_days=7)
    >>> days.spend.sum().execute(), days.last(1).spend.sum().execute(), Days(rows, None).spend.sum().execute()
    (6.0, 2.0, 14.0)
    """

    def __init__(self, rows: ir.Table, window_days: int | None) -> None:
        """Take rows with `age_days` (1 is the day before the snapshot); `window_days` None is the whole history."""
        self._rows, self._window_days = rows, window_days

    def __getattr__(self, column: str) -> ir.Value:
        value = self._rows[column]
        if self._window_days is None:
            return value
        return ibis.ifelse(self._rows.age_days <= self._window_days, value, ibis.null(value.type()))

    def last(self, window_days: int) -> "Days":
        """Return the same days in another window."""
        return Days(self._rows, window_days)
