"""What hands in MLflow can do to the champion: each is a state with a name, and a command leads out of it."""

import json
import re
import shlex
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from cli.main import app
from pipelines import promote, register, rollback
from pipelines.errors import NothingToDo, PurseError, UnusableModel
from pipelines.evaluate import step as evaluate
from pipelines.lake import tables
from pipelines.monitor import step as monitor
from pipelines.results.result import write_result
from pipelines.tracking.champion import champion_version, find_champion, load_champion, warnings_about
from pipelines.tracking.champion_record import Recorded, write_record
from pipelines.tracking.champion_state import LostChampion
from pipelines.tracking.registry import CHAMPION, version_of
from pipelines.tracking.runs import connect
from pipelines.tracking.seals import NotRegisteredHere
from pipelines.train import step as train
from tests.shops import SNAPSHOT_DATE, copy_shop, retrain

MODEL = "purchasing-power"
NOW = datetime(2020, 4, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, make_shop):
    """A shop with champion 1 and a challenger 2 that did not beat it."""
    shop = make_shop(tmp_path_factory.mktemp("trained") / "shop")
    assert retrain(shop).outcome == "first_champion"
    assert retrain(shop, "2020-03-29-00000002").outcome == "no_gain"
    return shop


@pytest.fixture
def shop(trained, tmp_path):
    """A copy of the shop for one test, with its artifacts."""
    return copy_shop(trained, tmp_path / "shop")


@pytest.fixture
def type_it(shop, monkeypatch):
    """Types a command as a message names it."""
    config = shop.home_path / "purse.yaml"
    config.write_text(json.dumps(shop.model_dump(mode="json")))
    monkeypatch.setenv("PURSE_CONFIG", str(config))

    def typed(line):
        return CliRunner().invoke(app, shlex.split(line)[1:], catch_exceptions=True)

    return typed


def command(text):
    return re.findall(r"'(purse [^']+)'", str(text))[0]


def alias_removed(client):
    client.delete_registered_model_alias(MODEL, CHAMPION)


def version_deleted(client):
    client.delete_registered_model_alias(MODEL, CHAMPION)
    client.delete_model_version(MODEL, "1")


def model_deleted(client):
    client.delete_registered_model(MODEL)


def run_deleted(client):
    client.delete_run(client.get_model_version(MODEL, "1").run_id)


def run_lost(client):
    """As `mlflow gc` leaves it."""
    run_id = client.get_model_version(MODEL, "1").run_id
    client.delete_run(run_id)
    client._tracking_client.store._hard_delete_run(run_id)


def seal_edited(client):
    client.set_model_version_tag(MODEL, "1", "purse.seal", "mine")


def digest_edited(client):
    client.set_model_version_tag(MODEL, "1", "purse.digest", "0" * 64)


def foreign(client):
    source = client.get_model_version(MODEL, "2").source
    version = client.create_model_version(MODEL, source).version
    client.set_registered_model_alias(MODEL, CHAMPION, version)


STATES = {
    "alias_removed": alias_removed,
    "version_deleted": version_deleted,
    "model_deleted": model_deleted,
    "run_deleted": run_deleted,
    "run_lost": run_lost,
}
FOREIGN = {"seal edited": seal_edited, "digest edited": digest_edited, "foreign": foreign}


@pytest.mark.parametrize(("state", "happens"), STATES.items(), ids=STATES)
def test_each_hand_in_mlflow_is_a_state_with_a_name(shop, state, happens):
    client = connect(shop)
    assert find_champion(shop, client).state == "in_force"
    happens(client)
    champion = find_champion(shop, client)
    assert (champion.version, champion.state) == ("1", state)
    assert champion.usable == (state in ("run_deleted", "run_lost"))
    if champion.usable:
        assert champion_version(shop) == "1"
        assert state in warnings_about(shop, client)[0]
    else:
        with pytest.raises(LostChampion, match=rf"version 1, is gone \({state}\).*The last scores stay\."):
            champion_version(shop)


@pytest.mark.parametrize("happens", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_model_or_an_edited_seal_is_named_and_a_command_leads_out(shop, happens, type_it):
    client = connect(shop)
    happens(client)
    assert find_champion(shop, client).state == "not_registered_here"
    with pytest.raises(NotRegisteredHere, match=r"'purse trust.*'purse champion'") as refused:
        champion_version(shop)
    number = find_champion(shop, client).version
    listed = type_it("purse champion --json")
    assert json.loads(listed.stdout.splitlines()[-1])["state"] == "not_registered_here"
    assert type_it(command(refused.value) + " --yes").exit_code == 0
    assert champion_version(shop) == number


def test_a_foreign_alias_is_rolled_back_to_the_champion_that_this_home_recorded(shop):
    client = connect(shop)
    foreign(client)
    assert rollback.rollback(shop, NOW)["to_version"] == "1"
    assert (champion_version(shop), version_of(client, MODEL, CHAMPION)) == ("1", "1")


@pytest.mark.parametrize("happens", [version_deleted, alias_removed])
def test_the_named_command_works_as_typed(shop, happens, type_it):
    client = connect(shop)
    happens(client)
    with pytest.raises(LostChampion) as lost:
        champion_version(shop)
    assert type_it(command(lost.value)).exit_code == 0
    assert find_champion(shop, client).state == "in_force"
    assert '"champion.set"' in (shop.serving_folder / "audit.jsonl").read_text()


def test_a_retraining_is_compared_with_the_champion_whose_alias_was_removed(shop):
    alias_removed(connect(shop))
    assert retrain(shop, "2020-03-29-00000003").outcome == "no_gain"
    assert find_champion(shop, connect(shop)).state == "alias_removed"


def test_lost_files_are_named_and_the_next_version_that_loads_is_offered(shop, type_it):
    client = connect(shop)
    shutil.rmtree(Path(client.get_model_version_download_uri(MODEL, "1")))
    with pytest.raises(LostChampion, match=r"version 1 .*\(files_lost\).*'purse champion 2'") as lost:
        load_champion(shop)
    with pytest.raises(PurseError, match=r"first champion.*'purse champion 2'"):
        rollback.rollback(shop, NOW)
    assert type_it(command(lost.value)).exit_code == 0
    assert load_champion(shop)[0] == "2"
    shutil.rmtree(Path(client.get_model_version_download_uri(MODEL, "2")))
    with pytest.raises(LostChampion, match=r"No other version .* is left.*--replace-unusable"):
        load_champion(shop)
    assert isinstance(type_it("purse champion 1").exception, UnusableModel)


def test_a_deleted_experiment_is_restored_by_the_named_command(shop, type_it):
    client = connect(shop)
    client.delete_experiment(client.get_experiment_by_name("purse").experiment_id)
    with pytest.raises(PurseError, match="experiment_deleted") as deleted:
        champion_version(shop)
    assert type_it(command(deleted.value)).exit_code == 0
    assert find_champion(shop, client).state == "in_force"


def test_a_deleted_run_is_restored_by_the_named_command(shop, type_it):
    client = connect(shop)
    run_deleted(client)
    assert type_it(command(warnings_about(shop, client)[0])).exit_code == 0
    assert warnings_about(shop, client) == []


@pytest.mark.parametrize("happens", [version_deleted, model_deleted])
def test_after_a_loss_the_gate_of_a_first_champion_does_not_open(shop, happens):
    """The deleted model takes its numbers with it: the new training is version 1 again."""
    happens(connect(shop))
    result = retrain(shop, "2020-03-29-00000003")
    assert (result.outcome, result.promoted) == ("champion_unusable", False)
    assert happens.__name__ in result.description
    with pytest.raises(LostChampion):
        champion_version(shop)
    done = promote.promote(shop, SNAPSHOT_DATE, replace_unusable=True)
    assert done.outcome in ("champion_replaced", "champion_unusable")
    if done.promoted:
        assert champion_version(shop) == done.version


def test_a_home_without_a_record_that_has_scores_had_a_champion(shop):
    (shop.home_path / "champion.json").unlink()
    client = connect(shop)
    client.delete_registered_model_alias(MODEL, CHAMPION)
    with pytest.raises(NothingToDo):
        champion_version(shop)
    rows = pa.table({"user_id": ["a"], "model_version": ["1"], "snapshot_date": pa.array([SNAPSHOT_DATE])})
    tables.replace(shop, "predictions", rows, "snapshot_date", SNAPSHOT_DATE, pd.Timestamp(NOW).date())
    assert find_champion(shop, client).state == "alias_removed"
    client.delete_model_version(MODEL, "1")
    with pytest.raises(LostChampion, match="version_deleted"):
        champion_version(shop)


def test_a_damaged_record_is_one_sentence(shop, type_it):
    (shop.home_path / "champion.json").write_bytes(b"{")
    with pytest.raises(PurseError, match=r"champion\.json, is damaged"):
        champion_version(shop)
    assert type_it("purse champion 1").exit_code == 0
    assert champion_version(shop) == "1"


def test_a_retraining_whose_run_or_files_are_gone_is_trained_again_and_not_told_so_for_ever(shop):
    client = connect(shop)
    client.delete_run(client.get_model_version(MODEL, "2").run_id)
    with pytest.raises(PurseError, match=r"run_deleted.*'purse train --snapshot-date 2020-03-29'"):
        evaluate.evaluate(shop, SNAPSHOT_DATE)
    again = train.train(shop, SNAPSHOT_DATE)
    write_result(shop, SNAPSHOT_DATE, again)
    write_result(shop, SNAPSHOT_DATE, evaluate.evaluate(shop, SNAPSHOT_DATE))
    write_result(shop, SNAPSHOT_DATE, register.register(shop, SNAPSHOT_DATE))
    assert promote.promote(shop, SNAPSHOT_DATE).outcome == "no_gain"

    folder = Path(client.get_logged_model(again.model.uri.removeprefix("models:/")).artifact_location)
    shutil.rmtree(folder)
    with pytest.raises(PurseError, match="'purse train --snapshot-date 2020-03-29'"):
        evaluate.evaluate(shop, SNAPSHOT_DATE)
    write_result(shop, SNAPSHOT_DATE, train.train(shop, SNAPSHOT_DATE))
    write_result(shop, SNAPSHOT_DATE, evaluate.evaluate(shop, SNAPSHOT_DATE))


def test_monitoring_without_a_reference_is_red_and_names_the_way_out(shop, users_at):
    rows = users_at(SNAPSHOT_DATE).drop(columns=["future_spend", "purchased"])
    stored = pa.Table.from_pandas(rows, preserve_index=False)
    tables.replace(shop, "features", stored, "snapshot_date", SNAPSHOT_DATE, pd.Timestamp(NOW).date())
    run_lost(connect(shop))
    with pytest.raises(PurseError, match=r"reference_lost.*'purse champion 2'"):
        monitor.monitor(shop, SNAPSHOT_DATE)


def test_a_recorded_version_that_never_was_is_gone(shop):
    alias_removed(connect(shop))
    write_record(shop, Recorded(model=shop.mlflow.model_name, version="nine"))
    with pytest.raises(LostChampion, match="version_deleted"):
        champion_version(shop)
