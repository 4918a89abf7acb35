"""The backtest on CDNOW with one cheap family: real data through every step, measured and written."""

from datetime import date

import pandas as pd
import pytest
from rich.console import Console

from cli.backtest import backtest, table
from pipelines.errors import PurseError

CUTOFF = date(1997, 7, 1)
QUIET = Console(quiet=True)
SOURCE = """
title: CDNOW before the cutoff
tables:
  order_lines:
    from: {{files: "{file}"}}
    columns: {{order_id: _line, product_id: "'cd'", line: _line, user_id: who, ordered_at: day, quantity: "1",
               unit_price: spend, amount: spend}}
"""


def run(settings, source, output=None, families=("linear_rfm",)):
    return backtest(settings, source, CUTOFF, 60, output, list(families), 1, QUIET)


def test_cdnow_is_predicted_and_measured(settings, tmp_path):
    result = run(settings, "cdnow", tmp_path / "scores.parquet")
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    assert list(scores.columns) == ["user_id", "expected_spend", "purchase_probability", "score", "tier"]
    assert len(scores) == scores.user_id.nunique() == result.users == 23_570
    assert scores.expected_spend.ge(0).all()
    assert scores.purchase_probability.between(0, 1).all()
    assert set(scores.tier) == {"high", "mid", "low"}
    assert result.evaluate.measures["ngini"] > result.evaluate.baselines["previous_window"].measures["ngini"]
    wide = Console(width=120, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    wide.print(table(result))
    assert "history_rate" in wide.export_text()


def test_rows_after_the_cutoff_change_no_prediction(settings, tmp_path):
    """The same shop twice: with its future, and without any row from the cutoff on."""
    rng_days = pd.date_range("1997-01-01", "1997-08-29", freq="D")
    rows = pd.DataFrame(
        [(f"u{n % 97}", day, 5.0 + (n * 7 + i) % 13) for i, day in enumerate(rng_days) for n in range(i % 5, 97, 11)],
        columns=["who", "day", "spend"],
    )
    scores = {}
    for name, kept in {"whole": rows, "past": rows[rows.day < pd.Timestamp(CUTOFF)]}.items():
        kept.to_parquet(tmp_path / f"{name}.parquet")
        (tmp_path / f"{name}.yaml").write_text(SOURCE.format(file=tmp_path / f"{name}.parquet"))
        result = run(settings, str(tmp_path / f"{name}.yaml"), tmp_path / f"{name}_scores.parquet")
        scores[name] = pd.read_parquet(tmp_path / f"{name}_scores.parquet")
        assert (result.evaluate is None) == (name == "past")
    pd.testing.assert_frame_equal(scores["whole"], scores["past"])


def test_an_unknown_family_is_named_before_any_work(settings):
    with pytest.raises(PurseError, match=r"'linear_rmf' is unknown(.*)lightgbm_tweedie"):
        run(settings, "cdnow", families=["linear_rmf"])
    assert not settings.home_path.exists()
