"""Sources: a YAML file says where each canonical table is read from and how its columns are computed."""

import codecs
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from features.schema import TABLES
from pipelines.errors import PurseError
from pipelines.settings import REPOSITORY, Settings

Format = Literal["csv", "parquet", "json"]


def _known_encoding(name: str) -> str:
    try:
        codecs.getincrementaldecoder(name)
    except LookupError as error:
        raise ValueError(
            f"'{name}' is no encoding that Python knows; utf-8, latin-1, gb18030 or shift_jis are"
        ) from error
    return name


def _three_letters(code: str) -> str:
    if not re.fullmatch("[A-Za-z]{3}", code):
        raise ValueError(f"'{code}' is no code of a currency; give three letters, such as CHF or EUR")
    return code


def _known_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"'{name}' is no IANA time zone, such as UTC, Europe/Berlin or Asia/Taipei") from error
    return name


class Strict(BaseModel):
    """A part of a source file; frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Origin(Strict):
    """Where rows come from: `files`, a `file` inside an installed `package`, or `sql` over a `connection`.

    `encoding` is that of text files, by any name that Python has for it.
    """

    files: str | list[str] | None = None
    package: str | None = None
    file: str | None = None
    sql: str | None = None
    connection: str | None = None
    format: Format | None = None
    encoding: Annotated[str, AfterValidator(_known_encoding)] = "utf-8"
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [bool(self.files), bool(self.package and self.file), bool(self.sql and self.connection)]
        if sum(given) != 1:
            raise ValueError("give either 'files', or 'package' and 'file', or 'sql' and 'connection'")
        return self


class SourceTable(Strict):
    """One canonical table: its origin, a filter, and an SQL expression for each canonical column.

    `currency` is an SQL expression too, for the code of the currency that a line's money is in. Of rows with the same
    key, `duplicates` says which one is kept, by the order of the files' names and of the rows in a file.
    """

    origin: Origin = Field(alias="from")
    where: str | None = None
    distinct: bool = False
    duplicates: Literal["first", "last"] = "first"
    currency: str | None = None
    columns: dict[str, str]


class Currency(Strict):
    """The shop's currency, and what one unit of the others is worth in it: columns currency, valid_from, rate."""

    code: Annotated[str, AfterValidator(_three_letters)]
    rates: Origin


class Source(Strict):
    """A data set, mapped to the canonical tables; time stamps with a zone are brought to the days of `timezone`."""

    title: str
    timezone: Annotated[str, AfterValidator(_known_timezone)] = "UTC"
    currency: Currency | None = None
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

    @model_validator(mode="after")
    def _currencies(self) -> Self:
        named = [name for name, mapped in self.tables.items() if mapped.currency]
        if named and named != ["order_lines"]:
            raise ValueError(f"tables.{named[-1]}.currency: only the money of 'order_lines' is converted")
        if bool(named) != bool(self.currency):
            raise ValueError(
                "give both 'currency' (code and rates) and 'tables.order_lines.currency' (an SQL expression for the "
                "code of a line's currency), or neither"
            )
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


def expand_environment(text: str, place: str) -> str:
    """Replace ${NAME} by the environment variable, so that no secret stands in a source file."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise PurseError(
                f"{place} needs the environment variable {match[1]}, which is not set. Export it and try again."
            )
        return os.environ[match[1]]

    return re.sub(r"\$\{(\w+)\}", value, text)


def _describe(error: ValidationError) -> str:
    lines = []
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"])
        hint = "unknown key" if fault["type"] == "extra_forbidden" else fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "string_type":
            # YAML takes no, on, 1 and null for other things than text
            hint = f"expected text, found {fault['input']!r}; put quotes around it, as in '\"no\"'"
        lines.append(f"  {place}: {hint}" if place else f"  {hint}")
    return "\n".join(lines)
