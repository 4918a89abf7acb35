"""Signatures of requests between the steps and the live service of one home.

Both sides know a secret and neither sends it. Whoever else listens on the port learns nothing that works a second time,
and cannot answer as the service: the answer is signed too.
"""

import fcntl
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pipelines.errors import PurseError
from pipelines.files import write_atomically

SCHEME = "Purse-Signature"
ANSWER_HEADER = "purse-signature"
VARIABLE = "PURSE_SERVING_SECRET"
"""Environment variable with the secret, for a service and steps that share no home."""

FILE = "steps_secret.json"
SHORTEST = 32
RENEWED_AFTER = timedelta(days=30)


@dataclass(frozen=True)
class Signed:
    """A signed request.

    Attributes:
        moment: ISO time of signing, with zone.
        nonce: random text that no other request has.
        digest: SHA-256 of the body, as hexadecimal digits.
        mac: HMAC of method, path and the fields above, as hexadecimal digits.
    """

    moment: str
    nonce: str
    digest: str
    mac: str

    @property
    def header(self) -> str:
        """Value of the header Authorization."""
        return f"{SCHEME} {self.moment} {self.nonce} {self.digest} {self.mac}"

    def holds(self, secret: bytes, method: str, path: str) -> bool:
        """Say whether the request was signed with the secret."""
        return hmac.compare_digest(self.mac, _mac(secret, "request", method, path, *self._fields()))

    def covers(self, body: bytes) -> bool:
        """Say whether the body is the signed one."""
        return hmac.compare_digest(self.digest, digest_of(body))

    def answer(self, secret: bytes, status: int, body: bytes) -> str:
        """Sign the answer to this request."""
        return _mac(secret, "answer", self.nonce, str(status), digest_of(body))

    def _fields(self) -> tuple[str, str, str]:
        return self.moment, self.nonce, self.digest


def sign(secret: bytes, method: str, path: str, body: bytes, now: datetime) -> Signed:
    """Sign a request."""
    fields = now.isoformat(), secrets.token_hex(16), digest_of(body)
    return Signed(*fields, _mac(secret, "request", method, path, *fields))


def parsed(header: str) -> Signed | None:
    """Parse the header Authorization; None: it holds no signature."""
    scheme, *fields = header.split(" ")
    if scheme != SCHEME or len(fields) != len(Signed.__annotations__) or not header.isascii():
        return None
    return Signed(*fields)


def shared_secret(folder: Path, now: datetime) -> bytes:
    """Secret of the steps and the service of one home, made on first use and renewed every 30 days.

    Args:
        folder: the service's folder in the home.
        now: current time, with zone.

    Raises:
        PurseError: others can read the file, this user cannot, or the variable holds a short text.
    """
    if given := os.environ.get(VARIABLE):
        if len(given) < SHORTEST:
            raise PurseError(
                f"{VARIABLE} has {len(given)} characters; expected at least {SHORTEST} random ones. Make one with "
                "'openssl rand -hex 32' and give it to the service and to the steps."
            )
        return given.encode()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / FILE
    try:
        if secret := _read(file, now):
            return secret
        with (folder / "steps_secret.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if secret := _read(file, now):  # another process has made it meanwhile
                return secret
            text = secrets.token_hex(32)
            write_atomically(file, json.dumps({"secret": text, "created_at": now.isoformat()}).encode())  # mode 0600
            return text.encode()
    except PermissionError as error:
        raise PurseError(
            f"The secret of the live service, {file}, is closed to this user ({error.strerror}). Run the steps and the "
            f"service as the same user, or give both the same {VARIABLE}."
        ) from error


def digest_of(body: bytes) -> str:
    """SHA-256 of a body, as hexadecimal digits."""
    return hashlib.sha256(body).hexdigest()


def _read(file: Path, now: datetime) -> bytes | None:
    """Read the secret; None: there is none yet, it is damaged, or it is to be renewed."""
    try:
        mode, content = file.stat().st_mode, file.read_bytes()
    except FileNotFoundError:
        return None
    if mode & 0o077:
        raise PurseError(
            f"Others on this machine can read or write {file} (mode {mode & 0o777:o}), so requests signed with it "
            "prove nothing. Delete it: the next step or start of the service makes another."
        )
    try:
        stored = json.loads(content)
        age = now - datetime.fromisoformat(stored["created_at"])
        return str(stored["secret"]).encode() if age < RENEWED_AFTER else None
    except (ValueError, KeyError, TypeError):
        return None


def _mac(secret: bytes, *parts: str) -> str:
    return hmac.digest(secret, json.dumps(parts).encode(), "sha256").hex()
