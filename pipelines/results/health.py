"""Result of `purse doctor`."""

from datetime import datetime

from pipelines.results.result import Result, Value


class Fault(Value):
    """A fault of the home, and the shell command that removes it or shows more."""

    check: str
    problem: str
    command: str


class Examined(Result):
    """Faults of the home at a moment; `fixed` names those that `--fix` removed."""

    step = "doctor"
    command = "doctor"
    home: str
    checked_at: datetime
    findings: list[Fault]
    fixed: list[str]
