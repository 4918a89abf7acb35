"""Write proposed rules as files: beside the source for a person to edit, and in the home at the first load."""

from typing import Any

from features.schema import TABLES
from pipelines.errors import PurseError
from pipelines.files import write_atomically
from pipelines.lake import tables
from pipelines.settings import Settings
from pipelines.source.rules import rules_path
from pipelines.validate.profile import propose as proposal


def propose(settings: Settings, table: str | None = None) -> dict[str, Any]:
    """Propose rules for one raw table or all.

    Returns:
        By table the file that was written, and a `note`. A file that is there already is never touched: the proposal
        is written beside it as TABLE.proposed.yaml, which validation does not read.

    Raises:
        PurseError: no such table, it has not been validated yet, or the file cannot be written.
    """
    if table is not None and table not in TABLES:
        raise PurseError(f"There is no table '{table}'; there are {', '.join(TABLES)}.")
    names = [table] if table else [name for name in TABLES if tables.exists(settings, f"raw/{name}")]
    if not names:
        raise PurseError(
            f"The lake at {settings.lake} has no raw table. Run 'purse ingest' and 'purse validate' first."
        )
    connection = tables.connect()
    written = {}
    for name in names:
        path = rules_path(settings, name)
        there = path.exists()
        if there:
            path = path.with_suffix(".proposed.yaml")
        text = proposal(settings, connection, name)
        try:
            write_atomically(path, text.encode())
        except OSError as error:
            raise PurseError(f"Writing {path} failed: {error}. Correct the permissions and try again.") from error
        note = "yours is as it was; take from this what you need" if there else "edit it; 'purse validate' reads it"
        written[name] = {"file": str(path), "note": note}
    return {"proposed": written}


def write_profile(settings: Settings, name: str) -> None:
    """Keep what a table held when it was loaded first, in <home>/profiles: what later rules can be compared with."""
    text = proposal(settings, tables.connect(), name)
    write_atomically(settings.home_path / "profiles" / f"{name}.yaml", text.encode())
