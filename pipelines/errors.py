"""The errors of a step: messages that a person can act on, shown without a traceback."""


class PurseError(Exception):
    """What was expected, what was found, and what to do next."""

    exit_code = 1


class UnusableModel(PurseError):  # noqa: N818 - what it says of the model
    """A model that this code cannot use, however often it tries: nothing is wrong with MLflow or its store.

    Attributes:
        reason: why, in one sentence without a full stop.
    """

    def __init__(self, message: str, reason: str | None = None) -> None:
        """Take the message for a person, and the reason if the message says more than it."""
        super().__init__(message)
        self.reason = reason or message


class NothingToDo(PurseError):  # noqa: N818 - it isn't a fault
    """There is nothing to do yet; Airflow shows the task as skipped."""

    exit_code = 99
