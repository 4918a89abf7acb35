"""Check rows against their suite before a step writes them."""

from datetime import date
from typing import NamedTuple

import pandas as pd

from expectations import features, predictions, runner
from features.definitions import FEATURES
from models.predictions import BASES, TIERS
from pipelines.errors import PurseError
from pipelines.lake.snapshot_measures import snapshot_measures
from pipelines.settings import Settings


class Checked(NamedTuple):
    """A check that was passed: its page in the Data Docs, and a line per warning."""

    data_docs: str
    warnings: list[str]


def check(settings: Settings, frame: pd.DataFrame, suite: str, snapshot_date: date) -> Checked:
    """Check a table that a step is about to write.

    Args:
        settings: name the folder of the Data Docs.
        frame: the rows, with snapshot_date and user_id.
        suite: "features" or "predictions".
        snapshot_date: date of the run; a rerun replaces its page in the Data Docs.

    Raises:
        PurseError: a critical rule is broken; the caller must not write.
    """
    columns = tuple(frame.columns)
    before = snapshot_measures(settings, frame, suite, snapshot_date)
    rules = features.suite(FEATURES, columns) if suite == "features" else predictions.suite(columns, TIERS, BASES)
    report = runner.validate(frame, rules, suite, snapshot_date, settings.data_docs, before)
    if broken := report.failed("critical"):
        lines = "\n  ".join(map(report.describe, broken))
        raise PurseError(
            f"The {suite} of {snapshot_date} break critical rules and were not written; what was there stays:\n"
            f"  {lines}\nSee {report.data_docs}. If the raw tables look right, correct the code that computes it."
        )
    return Checked(str(report.data_docs), [report.describe(one) for one in report.failed("warning")])
