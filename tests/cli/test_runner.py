"""How a step is run: its result is kept, its time is divided, and what a person can mend is said."""

import math
from datetime import date

import pytest

from cli.runner import run_step
from pipelines.errors import PurseError
from pipelines.results.data import Built
from pipelines.results.decision import Evaluated
from pipelines.results.result import read_result
from pipelines.results.training import Split
from tests import samples

DAY = date(2024, 1, 1)


def test_the_result_is_written_with_its_seconds(settings):
    result = run_step(settings, DAY, "split", samples.split)
    assert read_result(settings, DAY, Split) == result
    assert result.seconds.computing >= 0
    assert result.model_copy(update={"seconds": None}) == samples.split()


def test_a_failed_step_leaves_the_last_result(settings):
    run_step(settings, DAY, "split", samples.split)
    with pytest.raises(ZeroDivisionError):
        run_step(settings, DAY, "split", lambda: samples.split(rows_without_orders=1 // 0))
    assert read_result(settings, DAY, Split).training_id == samples.split().training_id


def test_a_result_of_another_version_names_the_command_that_makes_it_anew(settings):
    run_step(settings, DAY, "split", samples.split)
    path = settings.home_path / "results" / "2024-01-01" / "split.json"
    path.write_text(path.read_text().replace('"label_days"', '"labels"'))
    with pytest.raises(PurseError, match=r"label_days: .* Run 'purse split --snapshot-date 2024-01-01' again"):
        read_result(settings, DAY, Split)


def test_numbers_that_json_does_not_know_come_back(settings):
    measures = {"auc": float("nan"), "ngini": 0.5}
    run_step(settings, DAY, "evaluate", lambda: samples.evaluated(measures=measures))
    assert math.isnan(read_result(settings, DAY, Evaluated).measures["auc"])


def test_a_result_that_is_not_there_names_the_command(settings):
    with pytest.raises(PurseError, match="purse build-features --for training --snapshot-date 2024-01-01"):
        read_result(settings, DAY, Built)
