"""Outages behind an error: a database, an object store or MLflow that does not answer for a while.

Libraries wrap such an error, so all errors of a chain are searched. A wrong password, a missing bucket or a wrong
statement is no outage: trying again would not help.
"""

import re

from pipelines.errors import PurseError, ServiceDown, causes

UNREACHABLE = re.compile(
    "connection refused|connection reset|connection timed out|timeout expired|no route to host|network is unreachable"
    "|temporary failure in name resolution|server closed the connection|is starting up|is shutting down"
    "|too many clients|too many connections",
    re.IGNORECASE,
)
"""Words of operating systems and databases about a server that does not answer."""

RETRIED = re.compile(r"Error performing \w+ (?P<address>[^\s?]+)\S* in \S+, after [1-9]\d* retries")
"""Words of the object store's library, which retries only what may pass: no connection, or a status of 429 or 5xx."""

COLOUR = re.compile(r"\x1b\[\d+m")


def outage(error: BaseException) -> ServiceDown | None:
    """Find the outage that caused an error; None if there was none."""
    if isinstance(error, ServiceDown):
        return error
    for cause in causes(error):
        text = COLOUR.sub("", str(cause))
        if found := RETRIED.search(text):
            return ServiceDown(
                f"The object store does not answer ({found['address']}: {text.strip().splitlines()[-1].strip(' ↳')}). "
                "Nothing half-written is visible. Run the command again when it answers, or correct its address in "
                "the environment (AWS_ENDPOINT_URL) and lake_root."
            )
        if type(cause).__name__ == "MlflowException" and "API request to" in text:
            return ServiceDown(
                f"MLflow stopped answering: {text[:300]} Start it with 'purse up' and run the step again."
            )
    if not isinstance(error, PurseError) and is_database_outage(error):
        return ServiceDown(
            f"A database does not answer ({str(error).splitlines()[0]}). Start it and run the command again."
        )
    return None


def is_database_outage(error: BaseException) -> bool:
    """Whether SQLAlchemy could not reach a server, or lost its connection."""
    from sqlalchemy.exc import InterfaceError, OperationalError

    return any(
        isinstance(cause, InterfaceError | OperationalError)
        and (cause.connection_invalidated or bool(UNREACHABLE.search(str(cause.orig))))
        for cause in causes(error)
    )
