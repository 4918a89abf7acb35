"""Rules of text: ids that look the same but do not join, and characters read in a wrong encoding."""

from expectations.rules import Rule, passes, warning

CONTROL = r"[\x00-\x1f\x7f]"
EDGE = r"^\s+\S|\S\s+$"
MISREAD = "[\u00c2-\u00c5][\u0080-\u00bf]|\u00e2\u0080|\ufffd"
"""Characters of UTF-8 read as Latin-1 ("KÃ¶ln"), and the replacement character."""


def not_blank(column: str) -> Rule:
    """Rule: the text has a character that is not white space.

    >>> import ibis
    >>> not_blank("id").holds(ibis.memtable({"id": ["u1", " "]})).execute().tolist()
    [True, False]
    """
    return Rule(
        name=f"{column}_not_blank",
        description=f"{column} is more than white space",
        columns=(column,),
        expectation="ExpectColumnValuesToMatchRegex",
        arguments={"column": column, "regex": r"\S"},
        holds=lambda table: passes(table[column].re_search(r"\S")),
    )


def printable(column: str) -> Rule:
    """Rule: the text has no control character, such as a zero byte or a line break.

    >>> import ibis
    >>> printable("id").holds(ibis.memtable({"id": ["u1", "u" + chr(10)]})).execute().tolist()
    [True, False]
    """
    return without(column, CONTROL, "printable", f"{column} has no control characters")


def trimmed(column: str) -> Rule:
    """Warning: white space surrounds the text; "u1 " and "u1" would be two users.

    >>> import ibis
    >>> trimmed("id").holds(ibis.memtable({"id": ["u1", "u1 "]})).execute().tolist()
    [True, False]
    """
    return warning(without(column, EDGE, "trimmed", f"{column} has no white space around it"))


def well_encoded(column: str) -> Rule:
    """Warning: characters look like UTF-8 read as Latin-1, or were lost.

    >>> import ibis
    >>> well_encoded("city").holds(ibis.memtable({"city": ["Köln", "KÃ¶ln"]})).execute().tolist()
    [True, False]
    """
    return warning(without(column, MISREAD, "well_encoded", f"{column} was read in its own encoding"))


def without(column: str, pattern: str, name: str, description: str) -> Rule:
    """Rule: no part of the text matches a regular expression.

    >>> import ibis
    >>> no_digit = without("id", "[0-9]", "no_digit", "id has no digit")
    >>> no_digit.holds(ibis.memtable({"id": ["a", "a1"]})).execute().tolist()
    [True, False]
    """
    return Rule(
        name=f"{column}_{name}",
        description=description,
        columns=(column,),
        expectation="ExpectColumnValuesToNotMatchRegex",
        arguments={"column": column, "regex": pattern},
        holds=lambda table: passes(~table[column].re_search(pattern)),
    )
