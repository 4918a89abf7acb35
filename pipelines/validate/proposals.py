"""Write proposed rules to files: beside the source for a person to edit, and in the home at the first load."""

from typing import Any

from features.schema import TABLES
from pipelines.errors import PurseError
from pipelines.files import write_atomically
from pipelines.lake import tables
from pipelines.settings import Settings
from pipelines.source.rules import rules_path
from pipelines.validate.profile import propose as proposal


def propose(settings: Settings, table: str | None = None) -> dict[str, Any]:
    """Propose rules for one raw table, or for all.

    Returns:
        Per table the file that was written, and a `note`. An existing file is never changed: its proposal goes
        to TABLE.proposed.yaml beside it, which validation does not read.

    Raises:
        PurseError: the table is unknown or not validated yet, or the file cannot be written.
    """
    if table is not None and table not in TABLES:
        raise PurseError(f"There is no table '{table}'; expected one of {', '.join(TABLES)}.")
    names = [table] if table else [name for name in TABLES if tables.exists(settings, f"raw/{name}")]
    if not names:
        raise PurseError(
            f"The lake at {settings.lake} has no raw table. Run 'purse ingest' and 'purse validate' first."
        )
    connection = tables.connect()
    written = {}
    for name in names:
        path = rules_path(settings, name)
        exists = path.exists()
        if exists:
            path = path.with_suffix(".proposed.yaml")
        text = proposal(settings, connection, name)
        try:
            write_atomically(path, text.encode())
        except OSError as error:
            raise PurseError(
                f"Writing {path} failed: {error}. Correct the permissions and run 'purse expectations propose' again."
            ) from error
        note = "your rules are unchanged; copy what you need" if exists else "edit it; 'purse validate' reads it"
        written[name] = {"file": str(path), "note": note}
    return {"proposed": written}


def write_profile(settings: Settings, name: str) -> None:
    """Store the profile of a table's first load in <home>/profiles, to compare later rules with."""
    text = proposal(settings, tables.connect(), name)
    write_atomically(settings.home_path / "profiles" / f"{name}.yaml", text.encode())
