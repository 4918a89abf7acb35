"""SQL text for DuckDB, where a statement takes no parameters."""


def literal(text: object) -> str:
    """Quote a text, such as a path, as an SQL string literal.

    >>> literal("/home/o'brien/spill")
    "'/home/o''brien/spill'"
    """
    return "'" + str(text).replace("'", "''") + "'"
