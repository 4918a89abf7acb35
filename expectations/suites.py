"""Suites of the canonical tables, and the critical rules that a row breaks."""

from collections.abc import Callable

import ibis
import ibis.expr.types as ir

from expectations import events, order_lines, products, users
from expectations.rules import Rule
from expectations.staged import Known

SUITES: dict[str, Callable[[tuple[str, ...], Known], tuple[Rule, ...]]] = {
    "order_lines": order_lines.suite,
    "users": users.suite,
    "products": products.suite,
    "events": events.suite,
}


def broken_rules(rows: ir.Table, rules: tuple[Rule, ...]) -> ir.StringValue:
    """Names of the critical rules that a row breaks, joined by ", "; null if it breaks none.

    >>> from expectations.rules import finite, not_negative
    >>> rows = ibis.memtable({"x": [1.0, -1.0, float("-inf")]})
    >>> broken_rules(rows, (finite("x"), not_negative("x"))).execute().tolist()
    [nan, 'x_not_negative', 'x_finite, x_not_negative']
    """
    names = [
        ibis.ifelse(rule.holds(rows), ibis.null("string"), rule.name)
        for rule in rules
        if rule.severity == "critical" and rule.holds
    ]
    return ibis.literal(", ").join(names).nullif("")
