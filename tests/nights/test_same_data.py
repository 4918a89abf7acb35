"""The same data and seed give the same model and scores, whatever the order of rows and files and the threads."""

from datetime import date, timedelta
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from rich.console import Console

from marketplace.plan import Plan
from pipelines.choose import choose
from pipelines.lake import tables
from pipelines.settings import Settings
from pipelines.simulate import simulate
from tests.nights.steps import SMALL, load, rescore, retrain

pytestmark = pytest.mark.long

FIRST, DAYS, USERS = date(2024, 1, 1), 120, 1_200
END = FIRST + timedelta(days=DAYS)
FAMILIES = ["linear_rfm", "lightgbm_tweedie", "lightgbm_hurdle", "random_forest"]


def shuffled(folder: Path, copy: Path, files: int) -> None:
    """Write the rows of Parquet files into other files, in another order."""
    rows = pa.concat_tables([pq.read_table(file) for file in sorted(folder.glob("*.parquet"))])
    order = np.random.default_rng(5).permutation(len(rows))
    copy.mkdir(parents=True)
    for number, part in enumerate(np.array_split(order, files)):
        pq.write_table(rows.take(part), copy / f"{number}.parquet")


@pytest.fixture
def shops(settings: Settings, tmp_path: Path) -> list[Settings]:
    """Settings of two homes with the same rows; those of the second are shuffled over other files."""
    whole = tmp_path / "whole"
    simulate(settings, Plan(USERS, DAYS, 0, FIRST), whole, Console(quiet=True))
    described = yaml.safe_load((whole / "source.yaml").read_text())
    found = []
    for name in ("plain", "shuffled"):
        origins = {"order_lines": whole / "order_lines", "events": whole / "events"}
        if name == "shuffled":
            for table, folder in origins.items():
                shuffled(folder, tmp_path / name / table, files=7)
            origins = {table: tmp_path / name / table for table in origins}
        mapped = {t: {**described["tables"][t], "from": {"files": f"{at}/*.parquet"}} for t, at in origins.items()}
        mapped["users"] = described["tables"]["users"] | {"from": {"files": str(whole / "users.parquet")}}
        mapped["products"] = described["tables"]["products"] | {"from": {"files": str(whole / "products.parquet")}}
        source = tmp_path / f"{name}.yaml"
        source.write_text(yaml.safe_dump({"title": "A shop", "tables": mapped}))
        small = SMALL | {"sweep__families": FAMILIES, "sweep__trials": 4}
        found.append(settings.with_changes(home=str(tmp_path / f"home-{name}"), source=str(source), **small))
    return found


def rows_of(settings: Settings, table: str) -> pd.DataFrame:
    rows = tables.read(tables.connect(), settings, table).to_pandas()
    keys = [name for name in ("snapshot_date", "user_id", "day", "category") if name in rows]
    return rows.drop(columns=[name for name in ("scored_at", "training_id") if name in rows]).sort_values(
        keys, ignore_index=True
    )


def test_rows_files_and_threads_change_no_bit(shops: list[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    for settings in shops:
        load(settings, END)
        decided = retrain(settings, END)
        if decided.outcome != "first_champion":
            choose(settings, decided.refused or decided.version, "an operator", pd.Timestamp(END).to_pydatetime())
        rescore(settings, END)
        monkeypatch.setattr(tables, "connect", lambda: ibis.duckdb.connect(threads=5))
    for table in ("user_day", "features", "training_sets", "predictions"):
        plain, other = (rows_of(settings, table) for settings in shops)
        assert len(plain) > USERS / 10
        pd.testing.assert_frame_equal(plain, other, check_exact=True, obj=table)
