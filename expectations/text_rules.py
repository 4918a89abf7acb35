"""Rules of text: ids that are the same to the eye but not to a join, and letters that a wrong encoding spoiled."""

from expectations.rules import Rule, passes, warning

CONTROL = r"[\x00-\x1f\x7f]"
EDGE = r"^\s+\S|\S\s+$"
MISREAD = "[\u00c2-\u00c5][\u0080-\u00bf]|\u00e2\u0080|\ufffd"
"""UTF-8 read as Latin-1 ("KÃ¶ln"), and the sign that stands for what could not be decoded."""


def not_blank(column: str) -> Rule:
    """Something other than white space."""
    return Rule(
        name=f"{column}_not_blank",
        description=f"{column} is more than white space",
        columns=(column,),
        expectation="ExpectColumnValuesToMatchRegex",
        arguments={"column": column, "regex": r"\S"},
        holds=lambda table: passes(table[column].re_search(r"\S")),
    )


def printable(column: str) -> Rule:
    """No control character, such as a zero byte or a line's end."""
    return without(column, CONTROL, "printable", f"{column} has no control characters")


def trimmed(column: str) -> Rule:
    """A warning where white space surrounds the text: "u1 " and "u1" are two users."""
    return warning(without(column, EDGE, "trimmed", f"{column} has no white space around it"))


def well_encoded(column: str) -> Rule:
    """A warning where letters look like UTF-8 that was read as Latin-1, or were lost."""
    return warning(without(column, MISREAD, "well_encoded", f"{column} was read in the encoding it was written in"))


def without(column: str, pattern: str, name: str, description: str) -> Rule:
    """The text holds no match of a pattern."""
    return Rule(
        name=f"{column}_{name}",
        description=description,
        columns=(column,),
        expectation="ExpectColumnValuesToNotMatchRegex",
        arguments={"column": column, "regex": pattern},
        holds=lambda table: passes(~table[column].re_search(pattern)),
    )
