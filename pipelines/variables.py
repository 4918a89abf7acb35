"""Environment variables of Purse: every name that begins with PURSE_ is a setting or stands in `OWN`."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from pydantic import BaseModel

from pipelines.errors import Mistake

PREFIX = "PURSE_"
BETWEEN = "__"
OWN = {
    "PURSE_CONFIG": "a file with settings",
    "PURSE_SERVING_SECRET": "the secret of steps and service that share no home",
    "PURSE_SERVICE": "the mark of a process of the embedded stack; Purse sets it",
    "PURSE_MLFLOW_OWN": "the folders of the embedded MLflow; Purse sets it",
}
"""Variables that are no settings."""

KUBERNETES = re.compile(r"PURSE_(\w+_)?(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)")
"""Variables that Kubernetes sets in every container beside a Service named `purse` or `purse-...`."""


def require_known(settings: type[BaseModel], environment: Mapping[str, str]) -> None:
    """Reject variables that no setting reads.

    Raises:
        Mistake: names that begin with PURSE_ are unknown; the message has the nearest names.
    """
    leaves = dict(_names(settings, PREFIX))
    sections = {name.rpartition(BETWEEN)[0] for name in leaves if BETWEEN in name}
    maps = tuple(f"{name}{BETWEEN}" for name, is_map in leaves.items() if is_map)
    known = {*leaves, *sections, *OWN}
    found = {name: name.upper() for name in environment if name.upper().startswith(PREFIX)}
    unknown = {
        name: upper
        for name, upper in found.items()
        if upper not in known and not upper.startswith(maps) and not KUBERNETES.fullmatch(upper)
    }
    if unknown:
        lines = [f"  {name}{_nearest(upper, known)}" for name, upper in sorted(unknown.items())]
        raise Mistake(
            "Expected environment variables that name settings (docs/reference/settings.md), found these, which name "
            "none:\n" + "\n".join(lines) + "\nCorrect or unset them; a variable of your own needs another prefix than "
            f"{PREFIX}."
        )


def _names(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, bool]]:
    """Variables of a section's settings, and whether a setting is a map, whose keys anyone can choose."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _names(kind, f"{prefix}{name.upper()}{BETWEEN}")
        else:
            yield f"{prefix}{name.upper()}", "dict" in str(kind)


def _nearest(name: str, known: set[str]) -> str:
    near = get_close_matches(name, known, 1)
    return f": did you mean {near[0]}?" if near else ""
