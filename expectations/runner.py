"""Run a suite over a frame with Great Expectations and report in plain Python."""

import logging
import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from expectations.rules import COMPARE, Rule, Severity

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.data_context import AbstractDataContext
    from great_expectations.data_context.types.resource_identifiers import ValidationResultIdentifier
    from great_expectations.expectations.expectation import Expectation

KEPT_RESULTS = 30
"""Data Docs keep so many validations of a table: about a month of daily runs."""

IN_MEMORY = {"class_name": "InMemoryStoreBackend"}


@dataclass(frozen=True)
class RuleResult:
    """What became of one rule; `failing` counts rows (0 for a statement about the table), `examples` are values."""

    rule: str
    description: str
    severity: Severity
    success: bool
    failing: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class ValidationReport:
    """What became of a suite over `rows` rows; `data_docs` is its page."""

    name: str
    rows: int
    results: tuple[RuleResult, ...]
    data_docs: Path | None

    def failed(self, severity: Severity) -> tuple[RuleResult, ...]:
        """The broken rules of this severity."""
        return tuple(result for result in self.results if not result.success and result.severity == severity)

    def describe(self, result: RuleResult) -> str:
        """One line: the table, the rule, how many rows, examples."""
        count = f" in {result.failing:,} of {self.rows:,} rows" if result.failing else ""
        examples = f", such as {', '.join(result.examples)}" if result.examples else ""
        return f"{self.name}: rule '{result.rule}' ({result.description}) is broken{count}{examples}"


def validate(
    frame: pd.DataFrame, suite: tuple[Rule, ...], name: str, day: date, data_docs: Path | None
) -> ValidationReport:
    """Check every rule of a suite.

    Args:
        frame: the rows, with every column that a rule reads.
        suite: the rules.
        name: of the table, the heading in Data Docs.
        day: the snapshot, or the exclusive end of the period: a rerun for the same day replaces its page.
        data_docs: folder of the Data Docs, where the newest results of every table are kept; None: no pages.

    Raises:
        ValueError: a column is missing, or Great Expectations could not evaluate a rule.
    """
    missing = sorted({column for rule in suite for column in rule.columns} - set(frame.columns))
    if missing:
        raise ValueError(f"The suite of '{name}' reads columns that the table lacks: {', '.join(missing)}")
    context = _context(data_docs)
    outcome = _run(context, _comparable(frame), suite, name, day)
    rules = {rule.name: rule for rule in suite}
    results = tuple(_result(one, rules[one.expectation_config.meta["rule"]]) for one in outcome.results)
    page = None
    if data_docs is not None:
        _prune(data_docs, name)
        context.build_data_docs(resource_identifiers=_identifiers(context, name, day))
        page = next((data_docs / "validations" / name / day.isoformat()).rglob("*.html"))
    order = list(rules)
    results = tuple(sorted(results, key=lambda result: order.index(result.rule)))
    return ValidationReport(name, len(frame), results, page)


def _context(data_docs: Path | None) -> "AbstractDataContext":
    """A context that lives as long as the call; only results and pages are files."""
    # its decorators log hundreds of lines while the package is imported
    logging.getLogger("great_expectations._docs_decorators").setLevel(logging.WARNING)
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig

    config = DataContextConfig(
        config_version=4.0,
        expectations_store_name="expectations",
        validation_results_store_name="results",
        checkpoint_store_name="checkpoints",
        stores={
            "expectations": {"class_name": "ExpectationsStore", "store_backend": IN_MEMORY},
            "results": {"class_name": "ValidationResultsStore", "store_backend": _files(data_docs, "results")},
            "checkpoints": {"class_name": "CheckpointStore", "store_backend": IN_MEMORY},
            "validation_definition_store": {"class_name": "ValidationDefinitionStore", "store_backend": IN_MEMORY},
        },
        data_docs_sites={"purse": _site(data_docs)} if data_docs else {},
        progress_bars={"globally": False},
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _files(data_docs: Path | None, folder: str) -> dict[str, str]:
    if data_docs is None:
        return IN_MEMORY
    return {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(data_docs.absolute() / folder)}


def _site(data_docs: Path) -> dict[str, Any]:
    validations = {"class_name": "DefaultSiteSectionBuilder", "source_store_name": "results"}
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": _files(data_docs, ""),
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "site_section_builders": {"validations": validations, "expectations": "None", "profiling": "None"},
    }


def _run(
    context: "AbstractDataContext", frame: pd.DataFrame, suite: tuple[Rule, ...], name: str, day: date
) -> "ExpectationSuiteValidationResult":
    import great_expectations as gx
    from great_expectations.core.run_identifier import RunIdentifier

    expectations = [_expectation(rule, frame) for rule in suite]
    stored = context.suites.add(gx.ExpectationSuite(name, expectations=expectations))
    asset = context.data_sources.add_pandas("lake").add_dataframe_asset(name)
    batch = asset.add_batch_definition_whole_dataframe("all")
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=stored))
    # the run's time is part of its file's name: midnight of the day, so that a rerun replaces it
    run = RunIdentifier(day.isoformat(), datetime.combine(day, time(), UTC))
    return definition.run(batch_parameters={"dataframe": frame}, result_format="SUMMARY", run_id=run)


def _expectation(rule: Rule, frame: pd.DataFrame) -> "Expectation":
    import great_expectations.expectations as gxe
    from great_expectations.expectations.row_conditions import Column

    arguments = {key: value(frame) if callable(value) else value for key, value in rule.arguments.items()}
    if "row_condition" in arguments:
        column, comparison, limit = arguments["row_condition"]
        arguments["row_condition"] = COMPARE[comparison](Column(column), limit)
    return getattr(gxe, rule.expectation)(
        **arguments,
        severity=rule.severity,
        meta={"rule": rule.name},
        description=f"{rule.name} ({rule.severity}): {rule.description}",
    )


def _comparable(frame: pd.DataFrame) -> pd.DataFrame:
    """Times in nanoseconds, clipped to what they can hold: others are compared row by row, a hundred times slower."""
    low, high = pd.Timestamp.min.ceil("s"), pd.Timestamp.max.floor("s")
    columns = frame.select_dtypes("datetime").columns
    clipped = {c: frame[c].clip(lower=low, upper=high) for c in columns}  # type: ignore[call-overload]  # stubs lack times
    return frame.assign(**{c: times.astype("datetime64[ns]") for c, times in clipped.items()})


def _result(outcome: "ExpectationValidationResult", rule: Rule) -> RuleResult:
    errors = outcome.exception_info or {}
    nested = errors.values() if "raised_exception" not in errors else [errors]
    raised = [error["exception_message"] for error in nested if error["raised_exception"]]
    if raised:
        raise ValueError(f"Great Expectations could not evaluate rule '{rule.name}': {raised[0]}")
    found = outcome.result
    examples = dict.fromkeys(map(str, found.get("partial_unexpected_list") or []))
    return RuleResult(
        rule=rule.name,
        description=rule.description,
        severity=rule.severity,
        success=bool(outcome.success),
        failing=int(found.get("unexpected_count") or 0),
        examples=tuple(examples)[:3],
    )


def _identifiers(context: "AbstractDataContext", name: str, day: date) -> "list[ValidationResultIdentifier]":
    """The result of this run, so that pages of earlier ones are not rendered again."""
    keys = context.stores["results"].list_keys()
    return [k for k in keys if k.expectation_suite_identifier.name == name and k.run_id.run_name == day.isoformat()]


def _prune(data_docs: Path, name: str) -> None:
    """Keep the results written last, whatever day they are of: a backfill's pages are news too."""
    folders = (data_docs / "results" / name).iterdir()
    days = sorted(folders, key=lambda folder: folder.stat().st_mtime if folder.exists() else 0)
    for folder in days[:-KEPT_RESULTS]:
        shutil.rmtree(folder, ignore_errors=True)  # a step beside this one may prune too
        shutil.rmtree(data_docs / "validations" / name / folder.name, ignore_errors=True)
