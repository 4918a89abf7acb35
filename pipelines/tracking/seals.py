"""Seals: proof that this home wrote a file or a tag, which MLflow's server cannot forge.

Loading a model runs code. MLflow's server is therefore not believed: whatever it returns is compared with an HMAC made
with `<home>/secrets/registry_key`, which MLflow never sees. docs/security.md says what this protects against.
"""

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import UnusableModel
from pipelines.files import secret
from pipelines.settings import Settings

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

DIGEST = "purse.digest"
"""Tag of a version: digest of its files."""

SEAL = "purse.seal"
"""Tag of a version: seal of its name, number and digest."""

SEAL_FILE = "seal"
"""File of a sealed folder."""

WRITTEN_BY_LOADERS = ("registered_model_meta", "__pycache__")
"""Files that MLflow's own loader adds to a local artifact store; Purse reads none of them."""


class NotRegisteredHere(UnusableModel):
    """A model that this home did not write, or that was changed since."""

    def __init__(self, message: str) -> None:
        """Set the message; the reason carries the code `not_registered_here`."""
        super().__init__(message, "it was not registered here (not_registered_here), or its files were changed since")


@dataclass(frozen=True)
class FileFacts:
    """Name, size in bytes and SHA-256 of a file of a model."""

    name: str
    size: int
    sha256: str


def seal(home: Path, *parts: str) -> str:
    """HMAC-SHA256 of texts with the key of a home, as hexadecimal digits."""
    key = secret(home / "secrets" / "registry_key")
    content = b"".join(len(part.encode()).to_bytes(8, "big") + part.encode() for part in parts)
    return hmac.digest(key, content, "sha256").hex()


def is_sealed(home: Path, found: str, *parts: str) -> bool:
    """Whether the home made this seal for these texts."""
    return hmac.compare_digest(found.encode(), seal(home, *parts).encode())


def files(folder: Path) -> list[FileFacts]:
    """Every file of a folder by name, without its seal and what loaders add.

    Raises:
        NotRegisteredHere: the folder holds a link, which may lead anywhere.
    """
    facts = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise NotRegisteredHere(f"Expected only files in {folder}, found the link '{name}' (not_registered_here).")
        added = name == SEAL_FILE or set(WRITTEN_BY_LOADERS) & set(name.split("/"))
        if path.is_file() and not added:
            with path.open("rb") as file:
                facts.append(FileFacts(name, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()))
    return facts


def digest(folder: Path) -> str:
    """SHA-256 of the names and contents of a folder's files, as hexadecimal digits."""
    lines = "".join(f"{file.sha256} {len(file.name)} {file.name}\n" for file in files(folder))
    return hashlib.sha256(lines.encode()).hexdigest()


def seal_folder(home: Path, folder: Path) -> None:
    """Write the seal of a folder's name and files into it."""
    (folder / SEAL_FILE).write_text(seal(home, "folder", folder.name, digest(folder)))


def require_sealed_folder(home: Path, folder: Path) -> None:
    """Raise unless the home sealed the folder as it is.

    Raises:
        NotRegisteredHere: the seal is absent or does not match the files.
    """
    path = folder / SEAL_FILE
    found = path.read_text(errors="replace") if path.is_file() else ""
    if not is_sealed(home, found, "folder", folder.name, digest(folder)):
        raise NotRegisteredHere(f"The files in {folder} are not the ones that this home wrote (not_registered_here).")


def version_tags(settings: Settings, name: str, version: str, digest: str) -> dict[str, str]:
    """Tags that seal a registered version with files of this digest."""
    return {DIGEST: digest, SEAL: seal(settings.home_path, "version", name, version, digest)}


def sealed_digest(settings: Settings, found: "ModelVersion") -> str | None:
    """Sealed digest of a registered version's files; None if this home did not seal the version."""
    digest = found.tags.get(DIGEST, "")
    parts = ("version", settings.mlflow.model_name, str(found.version), digest)
    return digest if is_sealed(settings.home_path, found.tags.get(SEAL, ""), *parts) else None


def require_sealed_version(settings: Settings, found: "ModelVersion") -> str:
    """Return the sealed digest of a registered version's files.

    Raises:
        NotRegisteredHere: this home did not seal the version.
    """
    digest = sealed_digest(settings, found)
    if digest is None:
        raise not_registered(settings, str(found.version))
    return digest


def not_registered(settings: Settings, version: str) -> NotRegisteredHere:
    """Error about a version that this home did not register, with the way out."""
    return NotRegisteredHere(
        f"Version {version} of '{settings.mlflow.model_name}' was not registered here (not_registered_here): no seal "
        f"of this home ({settings.home_path}) matches its files, so they are not loaded, since a model is code. If you "
        f"restored or moved this home, look at the version and run 'purse trust {version}'. Otherwise make another "
        "version the champion: 'purse champion' lists those that this home registered, with their commands."
    )
