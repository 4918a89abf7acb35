"""Ids of users: forms that are one user's, and ids that are nobody's."""

import re
from collections.abc import Collection, Sequence
from typing import Literal

Form = Literal["trim", "lower", "integer"]

SPACES = " \t\r\n\u00a0"
NUMBER = r"^\+?0*(\d+)(\.0+)?$"

FORMS: dict[str, str] = {
    "trim": f"trim({{}}, '{SPACES}')",
    "lower": "lower({})",
    "integer": f"regexp_replace({{}}, '{NUMBER}', '\\1')",
}
"""SQL of each form; `integer` turns 017850, +17850 and 17850.0 into 17850 and leaves other text as it is."""

# fmt: off
NOBODY = frozenset({
    "-", "-1", "0", "?", "anon", "anonymous", "anonym", "anonyme", "anonymous_user", "default", "dummy", "gast",
    "guest", "guest_checkout", "invité", "invitado", "n/a", "na", "nan", "nil", "no_customer", "nobody", "none",
    "not_set", "null", "unbekannt", "undefined", "unknown", "unregistered", "visitor", "walk-in", "walkin",
    "(none)", "(not set)", "00000000-0000-0000-0000-000000000000", "匿名", "匿名用户", "未知", "游客", "访客", "无",
})
# fmt: on
"""Ids that usually mean nobody, in lower case."""

TEST = r"(^|[^a-z])test(s|er|user|kunde|customer|order|account)?([^a-z]|$)"
"""Ids of people who try the shop out: test, test-1, tester@shop.example."""


def in_form(expression: str, forms: Sequence[Form]) -> str:
    """SQL for an id in the given forms, applied in their order.

    >>> in_form("who", ["lower"])
    'lower(who)'
    """
    for form in forms:
        expression = FORMS[form].format(expression)
    return expression


def text_in_form(user_id: str, forms: Sequence[Form]) -> str:
    """Return an id in the given forms, as `in_form` does in SQL.

    >>> text_in_form(" 017850.0", ["trim", "integer"]), text_in_form("Ann@Example.org", ["lower"])
    ('17850', 'ann@example.org')
    """
    for form in forms:
        if form == "trim":
            user_id = user_id.strip(SPACES)
        elif form == "lower":
            user_id = user_id.lower()
        else:
            user_id = re.sub(NUMBER, r"\1", user_id, flags=re.ASCII)
    return user_id


def is_nobody(user_id: str, nobody: Collection[str]) -> bool:
    """Whether an id is one of those that the source leaves out; case and spaces around it don't matter.

    >>> is_nobody("Guest ", ["guest"]), is_nobody("guest-7", ["guest"])
    (True, False)
    """
    return user_id.strip(SPACES).lower() in {one.strip(SPACES).lower() for one in nobody}
