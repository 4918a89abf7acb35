"""API keys of the live service: random, stored as hashes in an owner-only file.

A key has 256 random bits, so a single SHA-256 cannot be reversed; slow hashes are for passwords. The steps of the same
home need no key: they sign their requests, see `pipelines.live.signing`.
"""

import fcntl
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, get_args

from pipelines.errors import PurseError
from pipelines.files import write_atomically

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "purse"
OWN = "steps of this home"
"""Name of the key that steps sent before they signed their requests; it never expired."""

LIFETIME = timedelta(days=365)
SOON = timedelta(days=14)
"""Time before a key's expiry from which on it is reported."""


@dataclass(frozen=True)
class Key:
    """Stored part of a key.

    Attributes:
        key_id: the part of the key that may be shown.
        name: its purpose.
        scopes: allowed actions: read scores, write events and orders, administer.
        hash: SHA-256 of the whole key, as hexadecimal digits.
        created_at: ISO time with zone.
        expires_at: ISO time of expiry; None: a key of an earlier version, valid until revoked.
    """

    key_id: str
    name: str
    scopes: tuple[Scope, ...]
    hash: str
    created_at: str
    expires_at: str | None = None

    def holds(self, now: datetime) -> bool:
        """Say whether the key is valid at a time."""
        return self.expires_at is None or now < datetime.fromisoformat(self.expires_at)

    def warning(self, now: datetime) -> str | None:
        """What is to be done about the key's expiry; None: nothing, or it has expired."""
        if not self.holds(now):
            return None
        rotate = f"replace it with 'purse keys rotate {self.key_id}'"
        if self.expires_at is None:
            return f"never expires: {rotate}"
        left = datetime.fromisoformat(self.expires_at) - now
        return f"expires in {left.days} days: {rotate}" if left < SOON else None


class Keys:
    """Keys in a file, read again when it changes, so that the service follows the command line."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder, folder / "keys.json"
        self._keys: dict[str, Key] = {}
        self._stamp: tuple[int, int] | None = None

    def all(self) -> list[Key]:
        """All keys, oldest first, expired ones included."""
        try:
            status = self._file.stat()
        except FileNotFoundError:
            return []
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._stamp:
            rows = json.loads(self._file.read_text())
            self._keys = {row["key_id"]: Key(**row | {"scopes": tuple(row["scopes"])}) for row in rows}
            self._stamp = stamp
        return list(self._keys.values())

    def verify(self, text: str, now: datetime) -> Key | None:
        """Look up a presented key, in constant time; None if it is unknown or expired."""
        self.all()
        _, _, rest = text.partition("_")
        found = self._keys.get(rest.partition("_")[0])
        known = found.hash if found else _hash("")
        same = hmac.compare_digest(known, _hash(text))
        return found if found and same and found.holds(now) else None

    def create(
        self, name: str, scopes: Sequence[Scope], now: datetime, lifetime: timedelta = LIFETIME
    ) -> tuple[Key, str]:
        """Add a key; return its stored part and the key itself, which is not shown again."""
        key_id = secrets.token_hex(4)
        text = f"{PREFIX}_{key_id}_{secrets.token_urlsafe(32)}"
        key = Key(key_id, name, tuple(scopes), _hash(text), now.isoformat(), (now + lifetime).isoformat())
        with self._alone():
            self._write([*self.all(), key])
        return key, text

    def rotate(self, key_id: str, grace: timedelta, now: datetime, lifetime: timedelta = LIFETIME) -> tuple[Key, str]:
        """Create a key of the same name and scopes; the old one stays valid during the grace period."""
        old = self._expire(key_id, now + grace)
        return self.create(old.name, old.scopes, now, lifetime)

    def revoke(self, key_id: str, now: datetime) -> Key:
        """Revoke a key now."""
        return self._expire(key_id, now)

    def retire_own_key(self, now: datetime) -> list[Key]:
        """Revoke the keys that steps sent before they signed their requests; return those that were still valid."""
        (self._folder / "own_key").unlink(missing_ok=True)
        own = [key for key in self.all() if key.name == OWN and key.expires_at is None]
        return [self.revoke(key.key_id, now) for key in own]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Lock the file: a concurrent change would be lost."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "keys.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _expire(self, key_id: str, when: datetime) -> Key:
        with self._alone():
            keys = {key.key_id: key for key in self.all()}
            if key_id not in keys:
                raise PurseError(f"There is no key '{key_id}'. 'purse keys list' shows those there are.")
            earlier = keys[key_id].expires_at or when.isoformat()
            expires_at = min(when.isoformat(), earlier, key=datetime.fromisoformat)
            keys[key_id] = replace(keys[key_id], expires_at=expires_at)
            self._write(list(keys.values()))
        return keys[key_id]

    def _write(self, keys: list[Key]) -> None:
        write_atomically(self._file, json.dumps([asdict(key) for key in keys], indent=2).encode())


def scopes_of(names: Sequence[str]) -> tuple[Scope, ...]:
    """Parse the names of scopes.

    Raises:
        PurseError: no name, or an unknown one.
    """
    known = tuple(scope for scope in SCOPES if scope in names)
    if not known or set(names) - set(known):
        found = ", ".join(names) or "none"
        raise PurseError(
            f"A key has one or more of the scopes {', '.join(SCOPES)}; found {found}. Name them with --scope."
        )
    return known


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
