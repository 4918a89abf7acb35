"""Query a shop's database: one SELECT, rolled back; errors contain neither the password nor values."""

from urllib.parse import quote, quote_plus

import sqlalchemy
from duckdb import DuckDBPyConnection, DuckDBPyRelation
from sqlalchemy import URL

from pipelines.errors import PurseError, ServiceDown
from pipelines.ingest.fetched import store
from pipelines.outages import is_database_outage

ROWS_AT_ONCE = 50_000
"""Rows fetched at a time."""

DIALECTS = {"postgresql": "postgres", "mssql": "tsql", "mariadb": "mysql"}
"""SQLAlchemy's names of dialects that the SQL tokenizer calls differently."""


def query(connection: DuckDBPyConnection, sql: str, url: str, place: str) -> DuckDBPyRelation:
    """Fetch the rows of a query in parts into DuckDB's database.

    Args:
        connection: where the rows are stored.
        sql: one SELECT statement; it is passed as it is written.
        url: SQLAlchemy URL with its secrets.
        place: place in the source file; messages begin with it.

    Raises:
        ServiceDown: the database does not answer.
        PurseError: the URL or the statement is not accepted, or the query fails.
    """
    parsed = _parse(url, place)
    if fault := _fault(sql, parsed.get_backend_name()):
        raise PurseError(
            f"{place}: 'sql' takes one SELECT, found {fault}. Prepare the data in a view of your database, and give "
            "'connection' a user who may only read."
        )
    ((number,),) = connection.sql("SELECT count(*) FROM duckdb_tables()").fetchall()
    try:
        engine = sqlalchemy.create_engine(parsed, hide_parameters=True, poolclass=sqlalchemy.NullPool)
        # without parameters, so % and : mean what they mean in the database; rows come in parts
        options = {"no_parameters": True, "stream_results": True, "yield_per": ROWS_AT_ONCE}
        if parsed.get_backend_name() == "postgresql":
            options["postgresql_readonly"] = True
        # without a commit, so whatever a function changes is rolled back
        with engine.connect().execution_options(**options) as connected:
            _keep_odd_times(connected)
            result = connected.exec_driver_sql(sql)
            return store(connection, f"fetched_{number}", result.keys(), result.partitions())
    except ImportError as error:
        raise PurseError(
            f"{place}: the driver of '{parsed.drivername}' is not installed ({error}). Install one, and name it in "
            "'connection', as in mysql+pymysql://."
        ) from None
    except Exception as error:  # drivers raise their own, and each may contain the URL
        if is_database_outage(error):
            raise ServiceDown(
                f"{place}: the database does not answer: {_describe(error, parsed, url)}. Nothing was written. Start "
                "it, or correct 'connection' if its address has changed, and run the command again."
            ) from None
        raise PurseError(
            f"{place}: the query failed: {_describe(error, parsed, url)}. Correct 'connection' or 'sql'."
        ) from None


def _keep_odd_times(connected: sqlalchemy.Connection) -> None:
    """Let psycopg give a time that Python does not have, such as infinity, as text."""
    driver = connected.connection.driver_connection
    if type(driver).__module__.partition(".")[0] != "psycopg":
        return
    from psycopg import DataError
    from psycopg.abc import Buffer
    from psycopg.adapt import Loader
    from psycopg.types import datetime as times

    def or_text(loader: type[Loader]) -> type[Loader]:
        def load(self: Loader, data: Buffer) -> object:
            try:
                return loader.load(self, data)
            except DataError:
                return bytes(data).decode()

        return type(f"{loader.__name__}OrText", (loader,), {"load": load})

    loaders = {"date": times.DateLoader, "timestamp": times.TimestampLoader, "timestamptz": times.TimestamptzLoader}
    for name, loader in loaders.items():
        driver.adapters.register_loader(name, or_text(loader))


def _parse(url: str, place: str) -> URL:
    try:
        return sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise PurseError(
            f"{place}: 'connection' is not a URL such as postgresql://user:password@host:5432/database (its value is "
            "left out). Percent-encode special characters of the password: %40 for @, %2F for /, %3A for :."
        ) from None


def _fault(sql: str, backend: str) -> str | None:
    """Say why a text is not one SELECT, or None."""
    import sqlglot
    from sqlglot import TokenType
    from sqlglot.errors import SqlglotError

    named = DIALECTS.get(backend, backend)
    try:
        tokens = sqlglot.tokenize(sql, read=named if named in {known.value for known in sqlglot.Dialects} else None)
    except SqlglotError:
        return "a text whose quotes or comments do not end"
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens = tokens[:-1]
    if not tokens:
        return "no statement"
    if any(token.token_type == TokenType.SEMICOLON for token in tokens):
        return "several statements"
    words = [token for token in tokens if token.token_type != TokenType.L_PAREN]
    if words and words[0].token_type not in {TokenType.SELECT, TokenType.WITH, TokenType.VALUES}:
        return f"'{words[0].text}' at its beginning"
    if "/*!" in sql or "/*M!" in sql:
        return "a comment that MySQL executes"
    return "SELECT ... INTO" if any(token.token_type == TokenType.INTO for token in tokens) else None


def _describe(error: Exception, parsed: URL, url: str) -> str:
    """First line of an error without secrets; errors about values give only their class."""
    if isinstance(error, sqlalchemy.exc.DataError):
        return "DataError (a value does not fit its type; values are left out)"
    lines = str(error).splitlines() or [""]
    text = f"{type(error).__name__}: {lines[0]}"
    secrets = [str(parsed.password or ""), *(str(value) for value in parsed.query.values())]
    forms = [form for secret in secrets for form in (secret, quote(secret, safe=""), quote_plus(secret), repr(secret))]
    for secret in sorted({url, *forms} - {"", "''"}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
