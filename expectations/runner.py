"""Validate a frame by a suite with Great Expectations, and report in plain Python."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pandas as pd

from expectations.context import make_context
from expectations.pages import write_pages
from expectations.report import EXAMPLES, RuleResult, ValidationReport
from expectations.rules import COMPARE, Rule

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.data_context import AbstractDataContext
    from great_expectations.data_context.types.resource_identifiers import ValidationResultIdentifier
    from great_expectations.expectations.expectation import Expectation

SUMMARY = {"result_format": "SUMMARY"}
BY_DAY = {"result_format": "COMPLETE", "unexpected_index_column_names": ["day"]}
"""Result formats: a summary of rows, because listing them takes long; a list of days, which are few."""


class Part(NamedTuple):
    """A frame and its rules."""

    frame: pd.DataFrame
    suite: tuple[Rule, ...]


def validate(
    frame: pd.DataFrame,
    suite: tuple[Rule, ...],
    name: str,
    day: date,
    data_docs: Path | None,
    by_day: Part | None = None,
    since: date | None = None,
) -> ValidationReport:
    """Validate a frame by every rule of a suite.

    >>> from expectations.rules import not_negative
    >>> frame = pd.DataFrame({"amount": [1.0, -2.0]})
    >>> report = validate(frame, (not_negative("amount"),), "order_lines", date(2024, 3, 1), data_docs=None)
    >>> report.results[0].failing
    1

    Args:
        frame: rows, with every column that a rule reads.
        suite: rules of the rows.
        name: name of the table, the heading in Data Docs.
        day: snapshot or exclusive end of the period; a rerun for the same day replaces its page.
        data_docs: folder of the Data Docs, which hold the newest results of every table; None: no pages.
        since: first day of the period; the page of another period with the same end stays. None: a snapshot.
        by_day: measures of the table's days, one row per `day`, and their rules; part of the same report and page.

    Raises:
        ValueError: a column is missing, or Great Expectations could not evaluate a rule.
    """
    parts: dict[Literal["rows", "days"], Part] = {"rows": Part(frame, suite)}
    if by_day is not None:
        parts["days"] = by_day
    context = make_context(data_docs)
    results: list[RuleResult] = []
    outcomes = []
    for unit, part in parts.items():
        outcomes.append(_run(context, part, name, unit))
        by_rule = {outcome.expectation_config.meta["rule"]: outcome for outcome in outcomes[-1].results}
        results += [_result(by_rule[rule.name], rule, unit) for rule in part.suite]
    page = None if data_docs is None else write_pages(context, _stored(context, outcomes, name, day, since), data_docs)
    return ValidationReport(name, len(frame), tuple(results), page, len(by_day.frame) if by_day else 0)


def _run(
    context: "AbstractDataContext", part: Part, name: str, unit: Literal["rows", "days"]
) -> "ExpectationSuiteValidationResult":
    import great_expectations as gx

    missing = sorted({column for rule in part.suite for column in rule.columns} - set(part.frame.columns))
    if missing:
        raise ValueError(f"The rules of '{name}' need columns that the table lacks: {', '.join(missing)}.")
    frame = _comparable(part.frame)
    suite = gx.ExpectationSuite(name, expectations=[_expectation(rule, frame) for rule in part.suite])
    asset = context.data_sources.add_pandas(unit).add_dataframe_asset(name)
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    return batch.validate(suite, result_format=BY_DAY if unit == "days" else SUMMARY)


def _stored(
    context: "AbstractDataContext",
    outcomes: "list[ExpectationSuiteValidationResult]",
    name: str,
    day: date,
    since: date | None,
) -> "ValidationResultIdentifier":
    """Store the results of all parts as one result and return its key."""
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types import resource_identifiers as identifiers

    results = [result for outcome in outcomes for result in outcome.results]
    successful = sum(bool(result.success) for result in results)
    # the run's time is part of the file's name: with midnight of the day, a rerun replaces the file
    period = f"{day}_from_{since}" if since else day.isoformat()
    run = RunIdentifier(period, datetime.combine(day, time(), UTC))
    whole = ExpectationSuiteValidationResult(
        success=successful == len(results),
        results=results,
        suite_name=name,
        statistics={
            "evaluated_expectations": len(results),
            "successful_expectations": successful,
            "unsuccessful_expectations": len(results) - successful,
            "success_percent": 100 * successful / max(len(results), 1),
        },
        meta={**outcomes[0].meta, "run_id": run},
    )
    key = identifiers.ValidationResultIdentifier(identifiers.ExpectationSuiteIdentifier(name), run, f"lake-{name}")
    context.stores["results"].set(key, whole)
    return key


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
    """Convert times to nanoseconds, clipped to their range: other types are compared a hundred times slower."""
    low, high = pd.Timestamp.min.ceil("s"), pd.Timestamp.max.floor("s")
    columns = frame.select_dtypes("datetime").columns
    clipped = {c: frame[c].clip(lower=low, upper=high) for c in columns}  # type: ignore[call-overload]  # stubs lack times
    return frame.assign(**{c: times.astype("datetime64[ns]") for c, times in clipped.items()})


def _result(outcome: "ExpectationValidationResult", rule: Rule, unit: Literal["rows", "days"]) -> RuleResult:
    errors = outcome.exception_info or {}
    nested = errors.values() if "raised_exception" not in errors else [errors]
    raised = [error["exception_message"] for error in nested if error["raised_exception"]]
    if raised:
        raise ValueError(f"Great Expectations could not evaluate rule '{rule.name}': {raised[0]}")
    result = outcome.result
    return RuleResult(
        rule=rule.name,
        description=rule.description,
        severity=rule.severity,
        success=bool(outcome.success),
        failing=int(result.get("unexpected_count") or 0),
        examples=tuple(dict.fromkeys(_days(result)))[:EXAMPLES] if unit == "days" else (),
        unit=unit,
    )


def _days(result: Mapping[str, Any]) -> list[str]:
    """Days that break a rule, with their value."""
    days = result.get("partial_unexpected_index_list") or []
    return [f"{row['day']} ({value:.3g})" for row in days for name, value in row.items() if name != "day"]
