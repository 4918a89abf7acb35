"""Source files: YAML that maps a shop's data to the canonical tables and their columns."""

import codecs
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from features.schema import TABLES
from pipelines.errors import Mistake
from pipelines.settings import REPOSITORY, Settings
from pipelines.source.ids import Form

Format = Literal["csv", "parquet", "json"]


def _known_encoding(name: str) -> str:
    try:
        codecs.getincrementaldecoder(name)
    except LookupError as error:
        raise ValueError(
            f"expected an encoding of Python, such as utf-8, latin-1, gb18030 or shift_jis, found '{name}'"
        ) from error
    return name


def _three_letters(code: str) -> str:
    if not re.fullmatch("[A-Za-z]{3}", code):
        raise ValueError(f"expected a currency code of three letters, such as CHF or EUR, found '{code}'")
    return code


def _known_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"expected an IANA time zone, such as UTC, Europe/Berlin or Asia/Taipei, found '{name}'"
        ) from error
    return name


def _text_of_number(value: Any) -> Any:  # noqa: ANN401  # whatever YAML has
    """YAML reads an unquoted 0 as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Strict(BaseModel):
    """Frozen part of a source file; rejects unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Origin(Strict):
    """Origin of rows: `files`, a `file` inside an installed `package`, or `sql` over a `connection`.

    `query` is a SELECT in DuckDB's SQL over the rows of the files, the table `source`; with a mapping of names to
    `files` each name is a table. `encoding` applies to text files and takes every name that Python accepts. `decimal`
    is the decimal mark of numbers that are text; the other mark then separates thousands. `sheet` names the sheets of
    a workbook: one, a list, or "*" for all; by default its only sheet with rows.
    """

    files: str | list[str] | dict[str, str | list[str]] | None = None
    query: str | None = None
    package: str | None = None
    file: str | None = None
    sql: str | None = None
    connection: str | None = None
    format: Format | None = None
    encoding: Annotated[str, AfterValidator(_known_encoding)] = "utf-8"
    decimal: Literal[".", ","] | None = None
    sheet: str | list[str] | None = None
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [bool(self.files), bool(self.package and self.file), bool(self.sql and self.connection)]
        if sum(given) != 1:
            raise ValueError("give exactly one of 'files', 'package' and 'file', or 'sql' and 'connection'")
        if self.query and self.sql:
            raise ValueError("'query' is for files; a database runs the whole of 'sql'. Leave 'query' out")
        if isinstance(self.files, dict):
            if not self.query:
                raise ValueError("'files' with names need a 'query' that joins them, as in 'SELECT * FROM orders'")
            if wrong := [name for name in self.files if not re.fullmatch(r"[A-Za-z_]\w*", name)]:
                raise ValueError(f"files: expected names of letters, digits and _, such as items, found '{wrong[0]}'")
            if len({name.lower() for name in self.files}) < len(self.files):
                raise ValueError("files: two names differ only in case; SQL takes them for one")
        return self

    def inputs(self) -> dict[str, "Origin"]:
        """Origin of each table that `query` reads, by its name; without names the one table `source`."""
        if not isinstance(self.files, dict):
            return {"source": self}
        return {name: self.model_copy(update={"files": files}) for name, files in self.files.items()}


class SourceTable(Strict):
    """One canonical table: its origin, a filter, and an SQL expression for each canonical column.

    `currency` is an SQL expression for the currency code of a line. `duplicates` keeps the first or the last row of a
    key, ordered by file name and row.
    """

    origin: Origin = Field(alias="from")
    where: str | None = None
    distinct: bool = False
    duplicates: Literal["first", "last"] = "first"
    currency: str | None = None
    columns: dict[str, str]


class Currency(Strict):
    """Code of the shop's currency, and exchange rates into it: columns currency, valid_from, rate."""

    code: Annotated[str, AfterValidator(_three_letters)]
    rates: Origin


class Source(Strict):
    """Data set mapped to the canonical tables; time stamps with a zone are converted to `timezone`.

    `ids` are the forms in which user ids are read, such as trim or lower. Rows of the ids in `nobody` are left out.
    """

    title: str
    timezone: Annotated[str, AfterValidator(_known_timezone)] = "UTC"
    currency: Currency | None = None
    ids: tuple[Form, ...] = ()
    nobody: tuple[Annotated[str, BeforeValidator(_text_of_number)], ...] = ()
    tables: dict[str, SourceTable]
    path: Path

    @model_validator(mode="after")
    def _canonical(self) -> Self:
        if "order_lines" not in self.tables:
            raise ValueError("tables: 'order_lines' is missing; every source needs this table")
        for name, mapped in self.tables.items():
            if name not in TABLES:
                raise ValueError(f"tables: '{name}' is not a canonical table; expected {', '.join(TABLES)}")
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
            raise ValueError(f"tables.{named[-1]}.currency: only 'order_lines' takes a currency; remove the key")
        if bool(named) != bool(self.currency):
            raise ValueError(
                "give both 'currency' (code and rates) and 'tables.order_lines.currency' (an SQL expression for the "
                "code of a line's currency), or neither"
            )
        return self


def load_source(settings: Settings) -> Source:
    """Read the source named by the settings: a name in conf/sources, or the path of a YAML file.

    Raises:
        Mistake: the file is missing, is not YAML, or has an invalid key; the message names the key's place.
    """
    named = Path(settings.source)
    path = named if named.suffix in {".yaml", ".yml"} else REPOSITORY / "conf" / "sources" / f"{settings.source}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in (REPOSITORY / "conf" / "sources").glob("*.yaml")))
        raise Mistake(
            f"Source '{settings.source}': there is no file {path}. Set PURSE_SOURCE to the path of a YAML file or to a "
            f"name. Known sources: {known}."
        )
    try:
        content = yaml.safe_load(path.read_text().replace("{source_root}", str(settings.source_root_path)))
        if not isinstance(content, dict):
            raise Mistake(f"Source file {path}: expected the keys 'title' and 'tables', found no keys.")
        return Source.model_validate({**content, "path": path.resolve()})
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Mistake(f"Source file {path} is not YAML: {yaml_fault(error)}. Correct it and try again.") from None
    except ValidationError as error:
        raise Mistake(f"Source file {path}:\n{_describe(error)}\nCompare conf/sources/tafeng.yaml.") from None


def yaml_fault(error: Exception) -> str:
    """Say why and where a text is not YAML without quoting it: a source file may hold a password."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it is not text in UTF-8"
    return f"{problem}, line {mark.line + 1} column {mark.column + 1}" if mark else str(problem)


def expand_environment(text: str, place: str) -> str:
    """Replace ${NAME} by the environment variable, which keeps secrets out of source files.

    Raises:
        Mistake: the variable is not set; the message begins with `place`.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise Mistake(
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
            # YAML reads an unquoted no, on, 1 or null as a bool, a number or null
            found = "another type" if fault["loc"][-1] == "connection" else repr(fault["input"])
            hint = f"expected text, found {found}; put quotes around it, as in '\"no\"'"
        lines.append(f"  {place}: {hint}" if place else f"  {hint}")
    return "\n".join(lines)
