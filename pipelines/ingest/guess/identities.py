"""Propose `ids` and `nobody` for a source file from the user ids in a sample."""

import json
from collections import Counter
from collections.abc import Collection, Sequence

from pipelines.source.ids import FORMS, NOBODY, PLAIN, Form, text_in_form

LARGE_SHARE = 0.02
"""Least share of the rows of an id of `NOBODY`, so that it is proposed: "0" may be the first user."""


def whole_numbers(ids: Sequence[str]) -> bool:
    """Whether all ids are whole numbers with a decimal point, as a column with a missing value is often written.

    >>> whole_numbers(["17850.0", "17851.0"]), whole_numbers(["17850.0", "17851"]), whole_numbers([])
    (True, False, False)
    """
    return bool(ids) and all(text.endswith(".0") and text[:-2].isdecimal() for text in ids)


def proposed(user_ids: Sequence[str], rows: int) -> dict[str, str]:
    """Lines of `ids` and `nobody` for a source file whose sample has these ids in some rows, with what is unsure.

    >>> list(proposed(["7", "07", "guest"], rows=3))
    ['ids: [integer]', 'nobody: ["guest"]']
    """
    found = {}
    if forms := proposed_forms(user_ids):
        found[f"ids: [{', '.join(forms)}]"] = "ids: user ids that differ only so are taken for one user"
    if nobody := proposed_nobody(user_ids, rows):
        found[f"nobody: {json.dumps(nobody, ensure_ascii=False)}"] = "nobody: rows with these user ids are left out"
    return found


def proposed_forms(user_ids: Collection[str]) -> list[Form]:
    """Forms in which several of the ids are one, in the order in which they apply.

    >>> proposed_forms(["17850", "17850.0", "Ann"]), proposed_forms(["Ann", " ann"])
    (['integer'], ['trim', 'lower'])
    """
    forms = list(FORMS)
    for form in FORMS:
        fewer = [one for one in forms if one != form]
        if _people(user_ids, fewer) == _people(user_ids, forms):
            forms = fewer
    return forms


def proposed_nobody(user_ids: Collection[str], rows: int) -> list[str]:
    """Ids among those of some rows that usually mean nobody, most frequent first; '' if rows have no id.

    >>> proposed_nobody(["guest", "Guest", "u1", "u2"], rows=5)
    ['guest', '']
    """
    counted = Counter(text_in_form(one, ("trim", "lower")) for one in user_ids)
    counted[""] += rows - len(user_ids)
    return [
        one for one, count in counted.most_common() if text_in_form(one, PLAIN) in NOBODY and count > LARGE_SHARE * rows
    ]


def _people(user_ids: Collection[str], forms: Collection[Form]) -> int:
    return len({text_in_form(one, list(forms)) for one in user_ids})
