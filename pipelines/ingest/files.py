"""Locate the files of a source, unpack them and convert them to UTF-8."""

import codecs
import glob
import gzip
import hashlib
import importlib.metadata
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from pipelines.errors import PurseError
from pipelines.files import write_atomically
from pipelines.ingest.excel import ENDINGS, copy_sheets, is_workbook
from pipelines.source.definition import Format, Origin, Source

FORMATS: Mapping[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
}
"""Format of each extension, in any case and before .gz."""

CHUNK = 1 << 20
"""Bytes converted to UTF-8 at a time."""


def locate_all(source: Source, cache: Path) -> dict[str, dict[str, str]]:
    """Locate the files of every origin of a source by its place in the source file; a database has none.

    Raises:
        PurseError: see `locate`.
    """
    return {
        input_place(place, origin, name): locate(part, source, cache)
        for place, origin in origins(source).items()
        if not origin.sql
        for name, part in origin.inputs().items()
    }


def origins(source: Source) -> dict[str, Origin]:
    """Origins of a source by their place in the source file."""
    found = {f"tables.{name}.from": mapped.origin for name, mapped in source.tables.items()}
    return found | ({"currency.rates": source.currency.rates} if source.currency else {})


def input_place(place: str, origin: Origin, name: str) -> str:
    """Place of an input of a query in the source file."""
    return f"{place}.files.{name}" if isinstance(origin.files, dict) else place


def locate(origin: Origin, source: Source, cache: Path) -> dict[str, str]:
    """Map each readable path of an origin to the file that the source names.

    Zip archives are unpacked into `cache`; text in another encoding is copied there as UTF-8, sheets as Parquet.

    Raises:
        PurseError: a file, package or glob matches nothing, or text does not fit its encoding.
    """
    if origin.package:
        paths = [_package_file(origin.package, str(origin.file), source)]
    else:
        patterns = [origin.files] if isinstance(origin.files, str) else origin.files or []
        paths = [path for pattern in patterns for path in _glob(pattern, source)]
    located: dict[str, str] = {}
    for path in paths:
        unpacked = _unzip(path, cache) if path.suffix.lower() == ".zip" else path
        if is_workbook(unpacked):
            located |= copy_sheets(unpacked, path, origin, cache)
            continue
        located[str(_as_utf8(unpacked, path, origin.encoding, cache))] = str(path)
    return located


def file_format(origin: Origin, files: list[str], place: str) -> Format:
    """Return the declared format of an origin, or the format of its files' extension.

    Raises:
        PurseError: an extension is unknown, or there are several, and no format is declared.
    """
    if origin.format:
        return origin.format
    endings = {file: Path(file.lower().removesuffix(".gz")).suffix for file in files}
    if unknown := [file for file, ending in endings.items() if ending not in FORMATS]:
        raise PurseError(
            f"{place}: expected an extension among {', '.join([*FORMATS, *sorted(ENDINGS)])}, found {unknown[0]}. Set "
            "'format' to csv, parquet or json."
        )
    formats = {FORMATS[ending]: file for file, ending in endings.items()}
    if len(formats) > 1:
        raise PurseError(
            f"{place}: expected files of one format, found {' and '.join(formats.values())}. Set 'format', or name the "
            "files of each format under 'files' and join them by a 'query' with UNION ALL BY NAME."
        )
    return next(iter(formats))


def _glob(pattern: str, source: Source) -> list[Path]:
    root = source.path.parent
    matches = glob.glob(str(Path(glob.escape(str(root))) / pattern), recursive=True)  # noqa: PTH207 - the pattern may be absolute
    paths = [Path(path) for path in sorted(matches)]
    if not paths:
        raise PurseError(
            f"Source file {source.path}: 'files: {pattern}' matches nothing (searched from {root}). "
            "Correct the pattern or add the file, then run 'purse ingest' again."
        )
    return paths


def _package_file(package: str, file: str, source: Source) -> Path:
    try:
        installed = importlib.metadata.distribution(package)
    except (importlib.metadata.PackageNotFoundError, ValueError) as error:
        raise PurseError(
            f"Source file {source.path}: package '{package}' is not installed. Run 'make install'."
        ) from error
    path, root = (Path(str(installed.locate_file(name))) for name in (file, ""))
    if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
        raise PurseError(
            f"Source file {source.path}: package '{package}' has no file '{file}'. "
            "Correct 'file', or install the version of the package that contains it."
        )
    return path


def _unzip(path: Path, cache: Path) -> Path:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not _is_of_macos(m.filename)]
            if len(members) != 1:
                raise PurseError(
                    f"{path}: expected a zip archive with one file, found {len(members)}. Unpack it and name the files "
                    "in 'files'."
                )
            unpacked = cache / f"{members[0].CRC:08x}-{Path(members[0].filename).name}"
            if not unpacked.is_file():
                write_atomically(unpacked, archive.read(members[0]))
            return unpacked
    except zipfile.BadZipFile as error:
        raise PurseError(
            f"{path} is not a readable zip archive ({error}). Download it again and run 'purse ingest'."
        ) from error


def _is_of_macos(name: str) -> bool:
    """Whether macOS added a file to an archive: attributes of another file, or of a folder's window."""
    return name.startswith("__MACOSX/") or Path(name).name.startswith("._") or Path(name).name == ".DS_Store"


def _as_utf8(path: Path, named: Path, encoding: str, cache: Path) -> Path:
    """Return a UTF-8 file unchanged and the path of a UTF-8 copy otherwise; an unchanged file is copied once."""
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
            with os.fdopen(handle, "wb") as target, _open(path) as origin:
                _transcode(origin, target, encoding, named)
            Path(temporary).replace(copy)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    return copy


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")  # type: ignore[return-value]


def _transcode(origin: IO[bytes], target: IO[bytes], encoding: str, named: Path) -> None:
    """Write a stream as UTF-8.

    Raises:
        PurseError: bytes do not fit the encoding; the message names the file, the line and the bytes.
    """
    decoder, line, ended = codecs.getincrementaldecoder(encoding)(), 1, False
    while not ended:
        chunk = origin.read(CHUNK)
        ended = not chunk
        try:
            text = decoder.decode(chunk, final=ended)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(encoding, errors="replace")
            invalid = " ".join(f"0x{byte:02x}" for byte in error.object[error.start : error.end])
            raise PurseError(
                f"{named} line {line + before.count(chr(10))}: the bytes {invalid} are not {encoding}. "
                "Set 'encoding' under 'from' to the file's encoding, such as latin-1, gb18030 or shift_jis, "
                "or repair the line."
            ) from error
        line += text.count("\n")
        target.write(text.encode())
