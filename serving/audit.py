"""The audit log of the live service: who administered what and how it ended, one JSON object a line, never changed."""

import json
import os
from datetime import datetime
from pathlib import Path

FILE = "audit.jsonl"


def record(folder: Path, moment: datetime, who: str, action: str, outcome: str, **details: str | None) -> None:
    """Add a line; it is on the disk on return.

    Args:
        folder: of the service; the file in it is readable by its owner only.
        moment: when, with zone.
        who: the id of a key, or the address or the user without one.
        action: such as "deploy" or "key.create".
        outcome: such as "done", "refused".
        details: what else tells; None is left out.
    """
    known = {name: value for name, value in details.items() if value is not None}
    line = {"time": moment.isoformat(), "who": who, "action": action, "outcome": outcome, **known}
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(handle)
