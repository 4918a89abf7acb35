"""How a step is run: its result is kept, its time is divided, and what a person can mend is said."""

import errno
from datetime import date

import pytest

from cli.runner import run_step
from pipelines.errors import PurseError
from pipelines.import_clock import ImportClock
from pipelines.results import read_result

DAY = date(2024, 1, 1)


def test_the_result_is_kept_with_its_seconds(settings):
    result = run_step(settings, DAY, "split", lambda: {"rows": 3})
    assert result["rows"] == 3
    assert read_result(settings, DAY, "split") == result
    assert result["seconds"]["computing"] >= 0


def test_a_failed_step_leaves_the_last_result(settings):
    run_step(settings, DAY, "split", lambda: {"rows": 3})
    with pytest.raises(ZeroDivisionError):
        run_step(settings, DAY, "split", lambda: {"rows": 1 // 0})
    assert read_result(settings, DAY, "split")["rows"] == 3


def test_a_full_disk_is_said_in_one_sentence(settings):
    def step():
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(PurseError, match="The disk is full"):
        run_step(settings, DAY, "split", step)


def test_a_result_that_is_not_there_names_the_command(settings):
    with pytest.raises(PurseError, match="purse build-features --snapshot-date 2024-01-01"):
        read_result(settings, DAY, "build_features")


def test_the_clock_counts_an_import_within_an_import_once(tmp_path, monkeypatch):
    (tmp_path / "outer_of_two.py").write_text("import time\nimport inner_of_two\ntime.sleep(0.05)\n")
    (tmp_path / "inner_of_two.py").write_text("import time\ntime.sleep(0.05)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with ImportClock() as clock:
        import outer_of_two  # noqa: F401
    assert 0.1 <= clock.seconds < 0.15
