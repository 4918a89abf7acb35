"""Base of the results, and how they are kept: one small JSON file per snapshot, so that the next step finds it."""

from datetime import date
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.errors import PurseError
from pipelines.files import write_atomically
from pipelines.settings import Settings


class Value(BaseModel):
    """A frozen value; fields that it does not declare are an error. NaN is written as a string: JSON has none."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings", protected_namespaces=())


class Seconds(Value):
    """Time of a step: from the start of the process to the step, and the step with the libraries that it imports."""

    starting: float
    computing: float


class Result(Value):
    """Result of a step.

    Attributes:
        step: names the file.
        command: the `purse` command that makes it.
        seconds: added by the runner.
    """

    step: ClassVar[str]
    command: ClassVar[str]
    seconds: Seconds | None = None


Kept = TypeVar("Kept", bound=Result)


def write_result(settings: Settings, snapshot_date: date, result: Result, name: str | None = None) -> None:
    """Write a step's result; a rerun replaces it. `name` names the file; by default the step does."""
    path = settings.home_path / "results" / snapshot_date.isoformat() / f"{name or result.step}.json"
    write_atomically(path, result.model_dump_json(indent=2).encode())


def read_result(settings: Settings, snapshot_date: date, kind: type[Kept]) -> Kept:
    """Read the result that a step left for this snapshot.

    Raises:
        PurseError: the step has not run for this snapshot, or another version of Purse ran it; the message names the
            command.
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
