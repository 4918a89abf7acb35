"""Sources: a YAML file says where each canonical table is read from and how its columns are computed."""

import glob
import importlib.metadata
import os
import re
import zipfile
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from features.schema import TABLES
from pipelines.errors import PurseError
from pipelines.files import write_atomically
from pipelines.settings import REPOSITORY, Settings

Format = Literal["csv", "parquet", "json"]


class Strict(BaseModel):
    """A part of a source file; frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Origin(Strict):
    """Where rows come from: `files`, a `file` inside an installed `package`, or `sql` over a `connection`."""

    files: str | list[str] | None = None
    package: str | None = None
    file: str | None = None
    sql: str | None = None
    connection: str | None = None
    format: Format | None = None
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [bool(self.files), bool(self.package and self.file), bool(self.sql and self.connection)]
        if sum(given) != 1:
            raise ValueError("give either 'files', or 'package' and 'file', or 'sql' and 'connection'")
        return self


class SourceTable(Strict):
    """One canonical table: its origin, a filter, and an SQL expression for each canonical column."""

    origin: Origin = Field(alias="from")
    where: str | None = None
    distinct: bool = False
    columns: dict[str, str]


class Source(Strict):
    """A data set, mapped to the canonical tables."""

    title: str
    tables: dict[str, SourceTable]
    path: Path

    @model_validator(mode="after")
    def _canonical(self) -> Self:
        if "order_lines" not in self.tables:
            raise ValueError("tables: 'order_lines' is missing; it is the one table that every source must give")
        for name, mapped in self.tables.items():
            if name not in TABLES:
                raise ValueError(f"tables: '{name}' is not a canonical table; there are {', '.join(TABLES)}")
            table = TABLES[name]
            known = [column.name for column in table.columns]
            for column in mapped.columns:
                if column not in known:
                    raise ValueError(f"tables.{name}.columns: '{column}' is unknown; the table has {', '.join(known)}")
            missing = [c for c in table.required if c not in mapped.columns]
            if missing:
                raise ValueError(f"tables.{name}.columns: '{missing[0]}' is missing; give an SQL expression for it")
        return self


def load_source(settings: Settings) -> Source:
    """Read the source that the settings name: a name in conf/sources, or the path of a YAML file.

    Raises:
        PurseError: no such file, not YAML, or a key that doesn't fit, named with its place.
    """
    named = Path(settings.source)
    path = named if named.suffix in {".yaml", ".yml"} else REPOSITORY / "conf" / "sources" / f"{settings.source}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in (REPOSITORY / "conf" / "sources").glob("*.yaml")))
        raise PurseError(f"Source '{settings.source}': there is no file {path}. Known sources: {known}.")
    try:
        content = yaml.safe_load(path.read_text().replace("{source_root}", str(settings.source_root_path)))
        if not isinstance(content, dict):
            raise PurseError(f"Source file {path}: expected the keys 'title' and 'tables', found {content!r}.")
        return Source.model_validate({**content, "path": path.resolve()})
    except yaml.YAMLError as error:
        raise PurseError(f"Source file {path} is not YAML: {error}. Correct it and try again.") from error
    except ValidationError as error:
        raise PurseError(f"Source file {path}:\n{_describe(error)}\nCompare conf/sources/tafeng.yaml.") from error


def locate(origin: Origin, source: Source, cache: Path) -> list[str]:
    """The files of an origin, zip archives unpacked into `cache`.

    Raises:
        PurseError: a file, package or glob that matches nothing.
    """
    if origin.package:
        paths = [_package_file(origin.package, str(origin.file), source)]
    else:
        patterns = [origin.files] if isinstance(origin.files, str) else origin.files or []
        paths = [path for pattern in patterns for path in _glob(pattern, source)]
    return [str(_unzip(path, cache) if path.suffix == ".zip" else path) for path in paths]


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


def expand_environment(text: str, place: str) -> str:
    """Replace ${NAME} by the environment variable, so that no secret stands in a source file."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise PurseError(
                f"{place} needs the environment variable {match[1]}, which is not set. Export it and try again."
            )
        return os.environ[match[1]]

    return re.sub(r"\$\{(\w+)\}", value, text)


def _glob(pattern: str, source: Source) -> list[Path]:
    root = source.path.parent
    found = glob.glob(str(root / pattern), recursive=True)  # noqa: PTH207 - the pattern may be absolute
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


def _describe(error: ValidationError) -> str:
    lines = []
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"])
        hint = "unknown key" if fault["type"] == "extra_forbidden" else fault["msg"].removeprefix("Value error, ")
        lines.append(f"  {place}: {hint}" if place else f"  {hint}")
    return "\n".join(lines)
