"""The declaration of a feature, and the windows that features share.

A declaration is data. This module and `features.definitions` import no query engine: models read them, and the model
that MLflow serves carries them without one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from features.units import Unit

if TYPE_CHECKING:
    import ibis.expr.types as ir

WINDOWS_DAYS = (7, 14, 28, 56, 91, 182, 364)
"""Windows of spend, units and purchase days."""

RATE_WINDOWS_DAYS = (28, 91, 364)
"""Windows of rates and price levels."""

VISIT_WINDOWS_DAYS = (7, 28, 91)
"""Windows of visits, views and other events."""

VISIT_RATE_WINDOWS_DAYS = (28, 91)
"""Windows of rates of events."""

CATEGORY_WINDOWS_DAYS = (28, 91)
"""Windows of what is counted by category."""

HALF_LIVES_DAYS = (14, 28, 56)
"""Half-lives of decayed sums."""

SEQUENCE = "sequence_"
"""Prefix of the columns that hold one list per user, see `features.sequences`."""


@dataclass(frozen=True)
class Feature:
    """Declaration of one feature. The query, the rules, the model signature and the documentation are derived from it.

    A feature is one `measure`, seen through a window, with a half-life, over the whole history or per day of it:

    >>> money = {"expression": lambda day: day.spend.sum(), "unit": Unit.MONEY, "description": "", "phrase": ""}
    >>> Feature("spend", window_days=28, **money).name, Feature("spend", half_life_days=14, **money).name
    ('spend_28d', 'spend_decayed_14d')
    >>> Feature("spend", over="total", **money).name, Feature("gap_mean", **money).name
    ('spend_total', 'gap_mean')

    Attributes:
        measure: name without the window. Features of the same measure stand in for one another in a reason.
        expression: takes a user's rows of `table` (see `features.build`) and returns the value.
        unit: unit of the value.
        description: what the feature measures, one sentence for the documentation and the dashboard.
        phrase: completes "this user ..." for a marketer, with `{value}`; empty: too technical for a reason.
        kind: "number" (float64) or "category" (string).
        default: value for a user without rows to compute it from; None: it stays null.
        needs: source columns that the value is computed from; without them the feature is left out.
        window_days: length of the window in days, the snapshot excluded; None: the whole history.
        half_life_days: days after which a day counts half; None: all days count the same.
        over: "total" for a sum over the whole history, "per_day" for such a sum per day since the first purchase.
        grows_with_history: whether the value grows with the recorded history even if the user does not change.
            Most models leave these features out: trained on a short history, they would meet values never seen.
        reads_days: days of history that the expression reads, where they are more than `window_days`.
        moves_by_calendar: whether its distribution moves as days pass even if no user changes, such as tenure or the
            days since an event. Monitoring then compares its missing share only. All that grow with history do.
        table: which of the tables of `features.build` the expression takes.
    """

    measure: str
    expression: "Callable[[Any], ir.Value]"
    unit: Unit
    description: str
    phrase: str
    kind: Literal["number", "category"] = "number"
    default: float | str | None = 0.0
    needs: tuple[str, ...] = ("order_lines.amount",)
    window_days: int | None = None
    half_life_days: int | None = None
    over: Literal["total", "per_day"] | None = None
    grows_with_history: bool = False
    reads_days: int | None = None
    moves_by_calendar: bool = False
    table: Literal["user_day", "user_category", "user_visit", "user_viewed_category", "users"] = "user_day"

    @property
    def name(self) -> str:
        """Name of the column: the measure and how it is seen."""
        if self.half_life_days is not None:
            return f"{self.measure}_decayed_{self.half_life_days}d"
        if self.window_days is not None:
            return f"{self.measure}_{self.window_days}d"
        return f"{self.measure}_{self.over}" if self.over else self.measure


def ratio(numerator: "ir.NumericValue", denominator: "ir.NumericValue") -> "ir.NumericValue":
    """Divide; null where the denominator is 0.

    >>> import ibis
    >>> rows = ibis.memtable({"returned": [1.0, 1.0], "bought": [4.0, 0.0]})
    >>> rows.select(rate=ratio(rows.returned, rows.bought)).execute()["rate"].tolist()
    [0.25, nan]
    """
    return numerator / denominator.nullif(0)
