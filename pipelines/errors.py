"""The errors of a step: messages that a person can act on, shown without a traceback."""


class PurseError(Exception):
    """What was expected, what was found, and what to do next."""

    exit_code = 1


class NothingToDo(PurseError):  # noqa: N818 - it isn't a fault
    """There is nothing to do yet; Airflow shows the task as skipped."""

    exit_code = 99
