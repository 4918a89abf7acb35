"""What a feature is, and the view of a user's days that its expression is written against."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import ibis
import ibis.expr.types as ir


@dataclass(frozen=True)
class Feature:
    """One named, documented feature; everything else about it is derived from here.

    Attributes:
        name: `<measure>_<window>`.
        expression: takes the user's rows of `table` (see `features.build`) and gives the value.
        unit: of the value, such as "money" or "days".
        description: what it measures.
        phrase: the same for a marketer, with `{value}`, to complete "this user ..."; empty: too technical to be told.
        kind: "number" (float64) or "category" (string).
        default: the value of a user who has no rows to compute it from; None: unknown stays null.
        needs: the source columns it is computed from; without them it is left out.
        window_days: the expression sees the last so many days; None: the whole history.
        table: which rows the expression sees.
    """

    name: str
    expression: Callable[[Any], ir.Value]
    unit: str
    description: str
    phrase: str
    kind: Literal["number", "category"] = "number"
    default: float | str | None = 0.0
    needs: tuple[str, ...] = ("order_lines.amount",)
    window_days: int | None = None
    table: Literal["user_day", "user_category", "user_visit", "user_viewed_category", "users"] = "user_day"


class Days:
    """A user's days inside an aggregation: `days.spend` is null outside the window, so every aggregate skips it."""

    def __init__(self, rows: ir.Table, window_days: int | None) -> None:
        self._rows, self._window_days = rows, window_days

    def __getattr__(self, column: str) -> ir.Value:
        value = self._rows[column]
        if self._window_days is None:
            return value
        return ibis.ifelse(self._rows.age_days <= self._window_days, value, ibis.null(value.type()))

    def last(self, window_days: int) -> "Days":
        """The same days in another window."""
        return Days(self._rows, window_days)


def ratio(numerator: ir.NumericValue, denominator: ir.NumericValue) -> ir.NumericValue:
    """The quotient, null where the denominator is 0."""
    return numerator / denominator.nullif(0)
