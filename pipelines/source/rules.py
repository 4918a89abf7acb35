"""A shop's own validation rules: one YAML file per table, checked in addition to the built-in suites."""

from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from expectations.rules import Rule, applicable, between, not_null, one_of, warning
from expectations.table_rules import seldom_null, unique
from features.schema import TABLES
from pipelines.errors import Mistake
from pipelines.settings import REPOSITORY, Settings
from pipelines.source.definition import yaml_fault

NUMBERS = ("DOUBLE", "BIGINT")
KINDS = ("min", "max", "values", "max_null_share", "unique")


class OwnRule(BaseModel):
    """One rule about a column: rows that break a critical rule are quarantined, a broken warning is reported."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    severity: Literal["warning", "critical"] = "warning"
    min: float | None = None
    max: float | None = None
    values: tuple[str, ...] | tuple[int, ...] | None = Field(default=None, min_length=1)
    max_null_share: float | None = Field(default=None, ge=0, le=1)
    unique: bool | None = None

    @property
    def kind(self) -> str:
        """Kind of the rule; `min` and `max` together are one range."""
        given = [name for name in KINDS if getattr(self, name) is not None]
        return "range" if {*given} <= {"min", "max"} and given else ", ".join(given)

    @model_validator(mode="after")
    def _one_statement(self) -> Self:
        if self.kind not in {"range", *KINDS[2:]}:
            raise ValueError(
                f"expected one of 'min' and 'max', {', '.join(map(repr, KINDS[2:]))}; found {self.kind or 'none'}"
            )
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        if self.severity == "critical" and (self.unique or (self.max_null_share or 0) > 0):
            raise ValueError(
                "'unique' and a 'max_null_share' above 0 apply to the whole table; set severity to warning"
            )
        return self

    def rule(self) -> Rule:
        """Build the rule that validation checks."""
        if self.values is not None:
            rule = one_of(self.column, self.values)
        elif self.kind == "range":
            name = f"from_{_limit(self.min)}_to_{_limit(self.max)}"
            rule = between(self.column, self.min, self.max, name)
        elif self.unique:
            rule = unique(self.column)
        else:
            rule = (
                seldom_null(self.column, self.max_null_share or 0.0) if self.max_null_share else not_null(self.column)
            )
        own = Rule(**{**vars(rule), "name": f"own_{rule.name}"})
        return own if self.severity == "critical" else warning(own)


class OwnSuite(BaseModel):
    """Rules of one file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[OwnRule, ...] = ()


class OwnRules:
    """Rule files of a source, read when created.

    Raises:
        Mistake: a file is not YAML or has an invalid key; the message names the key's place.
    """

    def __init__(self, settings: Settings) -> None:
        paths = {name: rules_path(settings, name) for name in TABLES}
        self._texts = {name: path.read_text() for name, path in paths.items() if path.is_file()}
        self._suites = {name: _read(paths[name], name, text) for name, text in self._texts.items()}

    def text(self, table: str) -> str:
        """Return the text of a table's rule file, empty without a file."""
        return self._texts.get(table, "")

    def rules(self, table: str, columns: tuple[str, ...]) -> tuple[Rule, ...]:
        """Return the rules of a table that need only these columns."""
        return applicable(tuple(own.rule() for own in self._suites.get(table, OwnSuite()).rules), columns)


def rules_path(settings: Settings, table: str) -> Path:
    """Path of a table's rule file: in conf/expectations/SOURCE, or in expectations/ beside a source file elsewhere."""
    named = Path(settings.source)
    if named.suffix in {".yaml", ".yml"}:
        return named.absolute().parent / "expectations" / named.stem / f"{table}.yaml"
    return REPOSITORY / "conf" / "expectations" / settings.source / f"{table}.yaml"


def _read(path: Path, table: str, text: str) -> OwnSuite:
    advice = f"Correct the file, or move it away and run 'purse expectations propose {table}' for an example."
    try:
        suite = OwnSuite.model_validate(yaml.safe_load(text) or {})
    except yaml.YAMLError as error:
        raise Mistake(f"Rules {path} are not YAML: {yaml_fault(error)}. {advice}") from None
    except ValidationError as error:
        raise Mistake(f"Rules {path}:\n{_describe(error)}\n{advice}") from error
    for number, rule in enumerate(suite.rules):
        if fault := _fault(rule, table, suite.rules[:number]):
            raise Mistake(f"Rules {path}, rules.{number}: {fault}. {advice}")
    return suite


def _fault(rule: OwnRule, table: str, before: tuple[OwnRule, ...]) -> str | None:
    """Return why a rule does not fit its table, or None."""
    types = {column.name: column.type for column in TABLES[table].columns}
    if rule.column not in types:
        return f"column '{rule.column}' is unknown; the table has {', '.join(types)}"
    if rule.kind == "range" and types[rule.column] not in NUMBERS:
        return f"'min' and 'max' need a column of numbers, and '{rule.column}' is a {types[rule.column]}"
    if rule.values and (types[rule.column] == "VARCHAR") != isinstance(rule.values[0], str):
        expected = "text; put quotes around them" if types[rule.column] == "VARCHAR" else "whole numbers"
        return f"the values of '{rule.column}' must be {expected} (found {rule.values[0]!r})"
    if (rule.column, rule.kind) in {(other.column, other.kind) for other in before}:
        return f"'{rule.column}' has two rules of the same kind ({rule.kind})"
    return None


def _describe(error: ValidationError) -> str:
    lines = []
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"])
        hint = "unknown key" if fault["type"] == "extra_forbidden" else fault["msg"].removeprefix("Value error, ")
        lines.append(f"  {place}: {hint} (found {fault['input']!r})")
    return "\n".join(dict.fromkeys(lines))


def _limit(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"
