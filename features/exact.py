"""Sums and values that don't depend on the order in which an engine reads its rows.

Engines add floating-point numbers in any order, so that the last bits of a sum change from run to run. A model that
learns from such values is another model each time: the same data and seed would give other trees.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # declarations of features use these functions without a query engine
    import ibis.expr.types as ir

PLACES = 9
"""Decimal places of a summand. A sum holds numbers up to 10^29."""

DIGITS = 9
"""Significant digits of a feature: fewer than any order of its sums can change, more than a model can use."""

SMALLEST_EXPONENT = -4
"""Power of ten below which a value has fewer digits: a difference of equal sums is 0, not the noise of its last bit."""


def exact_sum(value: "ir.NumericValue", places: int = PLACES) -> "ir.FloatingScalar":
    """Add up numbers as decimals, which gives the same sum in any order.

    >>> import ibis
    >>> rows = ibis.memtable({"amount": [1e15, 0.1, 0.2, -1e15]})
    >>> exact_sum(rows.amount).execute()
    0.3

    Args:
        value: column of numbers; null is skipped, and the sum of nothing is null.
        places: decimal places to which a summand is rounded.
    """
    return value.cast(f"decimal(38, {places})").sum().cast("float64")


def rounded(value: "ir.NumericValue") -> "ir.FloatingValue":
    """Round to `DIGITS` significant digits, and to twelve decimal places.

    >>> import ibis
    >>> rows = ibis.memtable({"value": [0.1 + 0.2, 1234.56, -98_765.432_109_8, 1e-16, 0.0, None]})
    >>> rows.select(value=rounded(rows.value)).execute()["value"].tolist()
    [0.3, 1234.56, -98765.4321, 0.0, 0.0, nan]
    """
    number = value.cast("float64")
    exponent = number.abs().nullif(0).log10().floor().clip(lower=SMALLEST_EXPONENT)
    scale = 10.0 ** (DIGITS - 1 - exponent)
    return (number == 0).ifelse(number, (number * scale).round() / scale)
