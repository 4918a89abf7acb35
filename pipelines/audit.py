"""Audit log of the live service: actor, action and outcome of each administration call, one JSON object per line."""

import json
import os
from datetime import datetime
from pathlib import Path

FILE = "audit.jsonl"


def record(folder: Path, moment: datetime, who: str, action: str, outcome: str, **details: str | None) -> None:
    """Append a line; it is synced to disk on return.

    Args:
        folder: the service's folder; only its owner can read the log in it.
        moment: time of the action, with zone.
        who: id of the key, or address or user name without a key.
        action: such as "deploy" or "key.create".
        outcome: such as "done", "refused".
        details: further fields; None values are left out.
    """
    known = {name: value for name, value in details.items() if value is not None}
    line = {"time": moment.isoformat(), "who": who, "action": action, "outcome": outcome, **known}
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(handle)
