"""Errors of a step: messages that a person can act on, shown without a traceback."""

import re
from collections.abc import Iterator

PASSWORD = re.compile(r"(://[^\s/:@]*:)(?!password@)[^\s/]*@")
"""Password of a URL; `user:password@` is how messages show the form of one."""


class PurseError(Exception):
    """An error whose message says what was expected, what was found and what to do next."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        """Set the message; passwords of URLs in it, such as a tracking server's, are left out."""
        super().__init__(PASSWORD.sub(r"\1***@", message))


class Mistake(PurseError):  # noqa: N818 - describes the request
    """An option, a setting or a source file is wrong; another try fails as well, so Airflow makes none."""

    exit_code = 2


class UnusableModel(PurseError):  # noqa: N818 - describes the model
    """A model that this code cannot use; a retry won't help, since MLflow and its store work.

    Attributes:
        reason: the reason, one sentence without a full stop.
    """

    def __init__(self, message: str, reason: str | None = None) -> None:
        """Set message and reason; the reason is the message by default."""
        super().__init__(message)
        self.reason = reason or message


class ServiceDown(PurseError):  # noqa: N818 - describes the service
    """A service that the step needs does not answer; Airflow tries again for longer than after other errors."""

    exit_code = 75


class NothingToDo(PurseError):  # noqa: N818 - not a fault
    """Nothing to do yet; Airflow shows the task as skipped."""

    exit_code = 99


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and the errors that led to it, newest first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
