"""Ids of users: forms that are one user's, and ids that are nobody's."""

import re
from collections.abc import Collection, Sequence
from typing import Literal

Form = Literal["trim", "lower", "integer"]

SPACES = " \t\r\n\u00a0"
NUMBER = r"^(?:\+|(-))?0*(\d+)(?:\.0+)?$"

FORMS: dict[Form, str] = {
    "trim": f"trim({{}}, '{SPACES}')",
    "lower": "lower({})",
    "integer": f"regexp_replace({{}}, '{NUMBER}', '\\1\\2')",
}
"""SQL of each form; `integer` turns 017850, +17850 and 17850.0 into 17850 and leaves other text as it is."""

# fmt: off
NOBODY = frozenset({
    "", "-", "-1", "0", "?", "anon", "anonymous", "anonym", "anonyme", "anonymous_user", "cash customer",
    "cash_customer", "default", "dummy", "gast", "guest", "guest user", "guest_checkout", "guest_user", "guestuser",
    "invité", "invitado", "laufkunde", "n/a", "na", "nan", "nil", "no_customer", "nobody", "none", "not_set", "null",
    "unbekannt", "undefined", "unknown", "unregistered", "visitor", "walk-in", "walkin", "(none)", "(not set)",
    "<na>", "#n/a",
    "00000000-0000-0000-0000-000000000000", "匿名", "匿名用户", "未知", "游客", "访客", "无",
})
# fmt: on
"""Ids that usually mean nobody, in the form of `PLAIN`."""

PLAIN: tuple[Form, ...] = ("trim", "lower", "integer")
"""Forms in which ids are compared with `NOBODY`: 0.0 and Guest are in it."""

TEST = r"(^|[^a-z])test(s|er|user|kunde|customer|order|bestellung|account)?([^a-z]|$)"
"""Ids of people and orders that try the shop out: test, test-1, tester@shop.example."""

TEST_PRODUCT = r"^test[ _-]?(product|produkt|artikel|item|sku)?[ _-]?\d*$"
"""Ids of products that are only in tests: no other, such as covid-test."""


def in_form(expression: str, forms: Sequence[Form]) -> str:
    """SQL for an id in the given forms, applied in the order of `FORMS`.

    >>> in_form("who", ["lower"])
    'lower(who)'
    """
    for form, sql in FORMS.items():
        expression = sql.format(expression) if form in forms else expression
    return expression


def text_in_form(user_id: str, forms: Sequence[Form]) -> str:
    """Return an id in the given forms, as `in_form` does in SQL.

    >>> text_in_form(" 017850.0", ["integer", "trim"]), text_in_form("Ann@Example.org", ["lower"])
    ('17850', 'ann@example.org')
    """
    if "trim" in forms:
        user_id = user_id.strip(SPACES)
    if "lower" in forms:
        # letter by letter, as DuckDB does: Python's lower() of a word has two forms of the Greek sigma
        user_id = "".join(map(str.lower, user_id.replace("\u0130", "i")))
    if "integer" in forms and (number := re.fullmatch(NUMBER, user_id, re.ASCII)):
        user_id = (number[1] or "") + number[2]
    return user_id


def nobody_in_form(nobody: Collection[str], forms: Sequence[Form]) -> frozenset[str]:
    """Return the ids that mean nobody as `is_nobody` compares them: in the source's forms, without case and spaces.

    >>> sorted(nobody_in_form(["Guest", "0.0"], ["integer"]))
    ['0', 'guest']
    """
    return frozenset(text_in_form(text_in_form(one, forms), ("trim", "lower")) for one in nobody)


def is_nobody(user_id: str, nobody: Collection[str]) -> bool:
    """Whether an id, in the forms of the source, is one of those of `nobody_in_form`.

    >>> is_nobody("Guest ", {"guest"}), is_nobody("guest-7", {"guest"})
    (True, False)
    """
    return text_in_form(user_id, ("trim", "lower")) in nobody
