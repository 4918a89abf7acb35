"""All checks of `purse doctor`, in the order in which faults are best removed."""

from collections.abc import Callable, Iterator
from datetime import datetime

from pipelines.errors import PurseError
from pipelines.settings import Settings
from stack.doctor import data, machine, model, services
from stack.doctor.finding import Finding

Check = Callable[[Settings, datetime], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    machine.clock,
    machine.disk,
    machine.modes,
    machine.versions,
    data.databases,
    data.tables,
    data.results,
    data.leftovers,
    data.missing_days,
    data.source,
    model.champion,
    model.releases,
    services.services,
    services.schedules,
    services.live_store,
)
"""A check yields nothing in a healthy home."""


def examine(settings: Settings, now: datetime) -> list[Finding]:
    """Run all checks; a check that fails is a finding itself."""
    return [finding for check in CHECKS for finding in _findings(check, settings, now)]


def fix(findings: list[Finding]) -> list[Finding]:
    """Remove what can be removed safely; return the findings that were removed."""
    fixed = []
    for finding in findings:
        if finding.fix is not None:
            finding.fix()
            fixed.append(finding)
    return fixed


def _findings(check: Check, settings: Settings, now: datetime) -> Iterator[Finding]:
    try:
        yield from check(settings, now)
    except Exception as error:  # whatever is broken, the other checks still run
        text = str(error) if isinstance(error, PurseError) else f"{type(error).__name__}: {str(error)[:300]}"
        yield Finding(check.__name__, f"the check could not be finished: {text}", "purse status")
