"""The files of a source: found, unpacked, and as UTF-8."""

import codecs
import glob
import gzip
import hashlib
import importlib.metadata
import os
import tempfile
import zipfile
from pathlib import Path
from typing import IO

from pipelines.errors import PurseError
from pipelines.files import write_atomically
from pipelines.source.definition import Format, Origin, Source

CHUNK = 1 << 20


def locate(origin: Origin, source: Source, cache: Path) -> dict[str, str]:
    """The files of an origin: by the path that can be read, the file that the source names.

    Zip archives are unpacked into `cache`, and text that isn't UTF-8 is written there as such.

    Raises:
        PurseError: a file, package or glob that matches nothing, or text that isn't in the encoding.
    """
    if origin.package:
        paths = [_package_file(origin.package, str(origin.file), source)]
    else:
        patterns = [origin.files] if isinstance(origin.files, str) else origin.files or []
        paths = [path for pattern in patterns for path in _glob(pattern, source)]
    located = {}
    for path in paths:
        unpacked = _unzip(path, cache) if path.suffix == ".zip" else path
        located[str(_as_utf8(unpacked, path, origin.encoding, cache))] = str(path)
    return located


def file_format(origin: Origin, files: list[str], place: str) -> Format:
    """The format that the origin names, or the one that the files' names say."""
    if origin.format:
        return origin.format
    endings: dict[str, Format] = {
        ".csv": "csv",
        ".tsv": "csv",
        ".txt": "csv",
        ".parquet": "parquet",
        ".json": "json",
        ".jsonl": "json",
    }
    ending = Path(files[0].removesuffix(".gz")).suffix
    if ending not in endings:
        raise PurseError(f"{place}: the name {files[0]} doesn't tell its format. Set 'format' to csv, parquet or json.")
    return endings[ending]


def _glob(pattern: str, source: Source) -> list[Path]:
    root = source.path.parent
    found = glob.glob(str(Path(glob.escape(str(root))) / pattern), recursive=True)  # noqa: PTH207 - the pattern may be absolute
    paths = [Path(path) for path in sorted(found)]
    if not paths:
        raise PurseError(
            f"Source file {source.path}: 'files: {pattern}' matches nothing (looked from {root}). "
            "Correct the pattern or put the file there."
        )
    return paths


def _package_file(package: str, file: str, source: Source) -> Path:
    try:
        path = Path(str(importlib.metadata.distribution(package).locate_file(file)))
    except importlib.metadata.PackageNotFoundError as error:
        raise PurseError(
            f"Source file {source.path}: package '{package}' is not installed. Run 'make install'."
        ) from error
    if not path.is_file():
        raise PurseError(f"Source file {source.path}: package '{package}' has no file '{file}'.")
    return path


def _unzip(path: Path, cache: Path) -> Path:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir()]
            if len(members) != 1:
                raise PurseError(f"{path} holds {len(members)} files; a zipped source file must hold exactly one.")
            unpacked = cache / f"{members[0].CRC:08x}-{Path(members[0].filename).name}"
            if not unpacked.is_file():
                write_atomically(unpacked, archive.read(members[0]))
            return unpacked
    except zipfile.BadZipFile as error:
        raise PurseError(f"{path} is not a readable zip archive ({error}). Fetch the file again.") from error


def _as_utf8(path: Path, named: Path, encoding: str, cache: Path) -> Path:
    """The file itself if it is UTF-8, else a copy that is; a file that has not changed is copied once."""
    if codecs.lookup(encoding).name in ("utf-8", "ascii"):
        return path
    state = path.stat()
    identity = f"{path.resolve()} {state.st_size} {state.st_mtime_ns} {encoding}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
    copy = cache / f"{digest}-{path.name.removesuffix('.gz')}"
    if not copy.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=cache, prefix=f".{copy.name}.")
        try:
            with os.fdopen(handle, "wb") as written, _opened(path) as read:
                _transcode(read, written, encoding, named)
            Path(temporary).replace(copy)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    return copy


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _transcode(read: IO[bytes], written: IO[bytes], encoding: str, named: Path) -> None:
    decoder, line, ended = codecs.getincrementaldecoder(encoding)(), 1, False
    while not ended:
        chunk = read.read(CHUNK)
        ended = not chunk
        try:
            text = decoder.decode(chunk, final=ended)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(encoding, errors="replace")
            found = " ".join(f"0x{byte:02x}" for byte in error.object[error.start : error.end])
            raise PurseError(
                f"{named} line {line + before.count(chr(10))}: the bytes {found} are not {encoding}. "
                "Set 'encoding' in its 'from' to what the file is written in, such as latin-1, gb18030 or shift_jis, "
                "or repair the line."
            ) from error
        line += text.count("\n")
        written.write(text.encode())
