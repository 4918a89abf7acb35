"""`mlflow server`, which becomes its own web server instead of waiting for it: the waiting parent held 200 MB."""

import os
from collections.abc import Mapping, Sequence
from typing import NoReturn


def main() -> None:
    """Run `mlflow server` with the options of the command line."""
    import mlflow.server
    from mlflow.cli import cli

    mlflow.server._exec_cmd = _become
    cli(prog_name="mlflow")


def _become(command: Sequence[str], *, extra_env: Mapping[str, str], **_: object) -> NoReturn:
    """Replace this process by the command; the signature is MLflow's."""
    os.execvpe(command[0], list(command), {**os.environ, **extra_env})  # noqa: S606  # MLflow's own command


if __name__ == "__main__":
    main()
