"""`purse simulate`: what is on disk, that it is labelled, and that Purse loads it."""

import hashlib
import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from cli.backtest import own_settings
from marketplace.plan import Plan
from pipelines.errors import PurseError
from pipelines.ingest.step import ingest
from pipelines.lake import tables
from pipelines.simulate import parse_dirt, parse_drift, simulate
from pipelines.source.definition import load_source
from pipelines.validate.step import validate

START = date(2024, 1, 1)
BUSY = 600
"""Users enough for orders on every day: without a range, what is ingested ends with the last order."""

QUIET = Console(quiet=True)


def run(settings, output=None, *, users=200, days=6, seed=0, **kinds):
    return simulate(settings, Plan(users, days, seed, START, **kinds), output, QUIET)


def digests(folder):
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_writes_the_same_bytes_wherever_it_is(settings, tmp_path):
    kinds = {"drift": {"price_rise": 3}, "dirt": {"late": 0.05, "nulls": 0.05}}
    first = digests(run(settings, tmp_path / "a", **kinds)["output"])
    assert first == digests(run(settings, tmp_path / "b", **kinds)["output"])
    other = digests(run(settings, tmp_path / "c", seed=1, **kinds)["output"])
    assert first.keys() == other.keys()
    assert {name for name in first if first[name] == other[name]} == {"source.yaml"}


def test_another_process_with_another_number_of_threads_writes_the_same_bytes(settings, tmp_path):
    run(settings, tmp_path / "here", seed=3)
    purse = Path(sys.executable).with_name("purse")
    options = ["--users", "200", "--days", "6", "--seed", "3", "--output", str(tmp_path / "there"), "--json"]
    environment = {**os.environ, "PURSE_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([purse, "simulate", *options], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["source"] == str(tmp_path / "there" / "source.yaml")
    assert digests(tmp_path / "here") == digests(tmp_path / "there")


def test_everything_says_that_it_is_simulated(settings):
    folder = Path(run(settings)["output"])
    assert "no row of it is real" in (folder / "README.md").read_text()
    assert json.loads((folder / "simulation.json").read_text())["simulated"] is True
    for path in folder.rglob("*.parquet"):
        assert pq.read_schema(path).metadata[b"simulated"] == b"true"
    assert "simulated" in load_source(settings.with_changes(source="marketplace")).title
    days = [f"2024-01-0{day}.parquet" for day in range(1, 7)]
    for table in ("events", "order_lines"):
        assert sorted(path.name for path in (folder / table).iterdir()) == days


def test_the_truth_is_in_no_table_that_is_loaded(settings):
    folder = Path(run(settings)["output"])
    hidden = set(pq.read_schema(folder / "truth.parquet").names) - {"user_id"}
    others = [path for path in folder.rglob("*.parquet") if path.name != "truth.parquet"]
    assert not hidden & {name for path in others for name in pq.read_schema(path).names}
    assert "truth" not in (folder / "source.yaml").read_text()


def test_purse_loads_it_whole(settings):
    rows = run(settings, users=BUSY)["rows"]
    shop = settings.with_changes(source="marketplace")
    assert loaded_rows(shop) == {name: rows[name] for name in ("order_lines", "users", "products")}
    checked = validate(shop)
    assert checked.warnings == []
    assert sum(table.rows_quarantined for table in checked.tables.values()) == 0
    assert tables.days(shop, "raw/order_lines")[0] == START
    users = tables.read(tables.connect(), shop, "raw/users").to_pandas()
    assert set(users.age_band) == {"18-24", "25-34", "35-44", "45-54", "55-64", "65+"}
    known_before = users.valid_from.dt.date == tables.UNDATED
    assert (known_before == (users.registered_at.dt.date < START)).all()
    assert (users.valid_from == users.registered_at)[~known_before].all()


def test_purse_loads_it_from_another_folder(settings, tmp_path):
    result = run(settings, tmp_path / "shop", users=BUSY)
    rows = loaded_rows(settings.with_changes(source=result["source"]))
    assert rows == {name: result["rows"][name] for name in ("order_lines", "users", "products")}


def loaded_rows(shop):
    loaded = ingest(shop).tables
    return {name: loaded[name].rows for name in ("order_lines", "users", "products")}


def test_a_backtest_finds_it_too(settings):
    own = own_settings(settings, "marketplace", date(2024, 1, 5), 2, None, None)
    assert own.home_path != settings.home_path
    assert own.source_root_path == settings.home_path


def test_dirt_ends_in_quarantine_row_by_row(settings):
    result = run(settings, users=BUSY, days=10, dirt=parse_dirt(["all"]))
    shop = settings.with_changes(source="marketplace")
    ingest(shop)
    lines = validate(shop).tables["order_lines"]
    assert lines.reasons["first_of_its_key"] == result["spoiled"]["order_lines.duplicates"]
    assert lines.reasons["user_id_not_null"] == result["spoiled"]["order_lines.nulls.user_id"]
    assert lines.rows_in == result["rows"]["order_lines"]


def test_a_simulation_is_replaced_and_nothing_else_is(settings, tmp_path):
    run(settings, tmp_path / "shop", days=6)
    run(settings, tmp_path / "shop", days=2)
    assert len(list((tmp_path / "shop" / "events").iterdir())) == 2
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(PurseError, match="did not write"):
        run(settings, tmp_path / "mine")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_a_simulation_that_cannot_be_replaced_stays(settings, tmp_path, monkeypatch):
    before = digests(run(settings, tmp_path / "shop", users=10, days=1)["output"])
    original = Path.replace

    def full(self, target):
        if self.name.endswith(".partial"):
            raise OSError("no space")
        return original(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(PurseError, match=r"no space.*What was there stays"):
        run(settings, tmp_path / "shop", users=10, days=2)
    assert digests(tmp_path / "shop") == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_folder_that_cannot_be_is_told(settings, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PurseError, match=r"Writing .* failed: .*name another --output"):
        run(settings, tmp_path / "file" / "shop", users=10, days=1)


def test_drift_and_dirt_are_read_from_words():
    assert parse_drift(["price_rise@45", "mix_change@0"], 90) == {"price_rise": 45, "mix_change": 0}
    assert parse_dirt(["late", "nulls=0.2"]) == {"late": 0.01, "nulls": 0.2}
    assert parse_dirt(["all=0.02", "late=0.1"])["late"] == 0.1
    assert set(parse_dirt(["all"]).values()) == {0.01}
    assert len(parse_dirt(["all"])) == 6


@pytest.mark.parametrize("word", ["price_rise", "price_rise@90", "price_rise@-1", "prices@3", "price_rise@x", ""])
def test_drift_that_cannot_be(word):
    with pytest.raises(PurseError, match=r"KIND@DAY with a day from 0 to 89.*\n.*price_rise: list prices rise"):
        parse_drift([word], 90)


@pytest.mark.parametrize("word", ["lateness", "late=2", "late=0", "late=x", "late=nan"])
def test_dirt_that_cannot_be(word):
    with pytest.raises(PurseError, match="KIND or KIND=SHARE"):
        parse_dirt([word])
