"""Base types of the results; read and write them as small JSON files, one per snapshot and step."""

from datetime import date
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.errors import PurseError
from pipelines.files import write_atomically
from pipelines.settings import Settings


class Value(BaseModel):
    """Frozen value; rejects undeclared fields. NaN is written as a string, since JSON has no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings", protected_namespaces=())


class Seconds(Value):
    """Time of a step: from the start of the process to the step, and the step with the libraries that it imports."""

    starting: float
    computing: float


class Result(Value):
    """Result of a step.

    Attributes:
        step: name of the step and of the file.
        command: `purse` command that writes the result.
        seconds: time of the step; the runner adds it.
    """

    step: ClassVar[str]
    command: ClassVar[str]
    seconds: Seconds | None = None


Kind = TypeVar("Kind", bound=Result)


def write_result(settings: Settings, snapshot_date: date, result: Result, name: str | None = None) -> None:
    """Write a step's result; a rerun replaces it. `name` is the file's name (default: the step's)."""
    path = settings.home_path / "results" / snapshot_date.isoformat() / f"{name or result.step}.json"
    write_atomically(path, result.model_dump_json(indent=2).encode())


def read_result(settings: Settings, snapshot_date: date, kind: type[Kind]) -> Kind:
    """Read the result that a step wrote for this snapshot.

    Raises:
        PurseError: the step has not run for this snapshot, or another version of Purse ran it; the message names the
            command to run.
    """
    path = settings.home_path / "results" / snapshot_date.isoformat() / f"{kind.step}.json"
    command = f"purse {kind.command} --snapshot-date {snapshot_date}"
    if not path.is_file():
        raise PurseError(f"Step '{kind.step}' has left no result for {snapshot_date} ({path}). Run '{command}' first.")
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise PurseError(
            f"The result of step '{kind.step}' in {path} does not fit: {'.'.join(map(str, first['loc']))}: "
            f"{first['msg']}. Run '{command}' again."
        ) from error
