"""Attacks through MLflow's registry: what this home did not seal is not loaded, whatever MLflow says."""

import json
import pickle
import shutil
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from models import storage
from models.storage import ARRAYS, STRUCTURE
from pipelines import promote, register, rollback
from pipelines.errors import PurseError
from pipelines.evaluate import step as evaluate
from pipelines.results.result import read_result, write_result
from pipelines.results.training import Trained
from pipelines.settings import REPOSITORY
from pipelines.tracking.champion import champion_version, moved_from, notice_move, set_champion
from pipelines.tracking.champion_state import LostChampion
from pipelines.tracking.logged_model import NAME, load_model, load_version
from pipelines.tracking.registry import CHAMPION, read_card
from pipelines.tracking.runs import connect
from pipelines.tracking.seals import SEAL, NotRegisteredHere
from pipelines.train import step as train
from pipelines.trust import inspect, trust
from serving.dashboard.routes import router

MODEL = "purchasing-power"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop(make_shop, tmp_path_factory, snapshot_date):
    """A shop whose first training was promoted."""
    shop = make_shop(tmp_path_factory.mktemp("attacked") / "shop")
    for step in (train.train, register.register, evaluate.evaluate, promote.promote):
        write_result(shop, snapshot_date, step(shop, snapshot_date))
    return shop


@pytest.fixture
def files(shop, tmp_path):
    """The champion's files in the artifact store, which an attacker may write; whole again after the test."""
    folder = Path(connect(shop).get_model_version_download_uri(MODEL, "1"))
    shutil.copytree(folder, tmp_path / "whole")
    yield folder
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "whole", folder)


class Evil:
    """Runs a program when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return (Path.touch, (self.trace,))


def foreign_version(shop, folder: Path, trace: Path) -> str:
    """Register a model whose own loader module and code run, without a pickle that Purse would read."""
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "evil.py").write_text(f"import pathlib; pathlib.Path({str(trace)!r}).touch()\n")
    (folder / "MLmodel").write_text("flavors: {python_function: {loader_module: evil, code: code}}\nmodel_id: x\n")
    client = connect(shop)
    logged = client.create_logged_model(client.get_experiment_by_name("purse").experiment_id)
    client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, "READY")
    return str(client.create_model_version(MODEL, logged.model_uri).version)


def test_a_registered_stranger_runs_no_code_and_the_champion_stays(shop, tmp_path, snapshot_date):
    trace = tmp_path / "ran"
    version = foreign_version(shop, tmp_path / "model", trace)
    client = connect(shop)
    with pytest.raises(NotRegisteredHere, match=rf"Version {version} .*not_registered_here.*purse trust {version}"):
        load_version(shop, version)
    client.set_registered_model_alias(MODEL, CHAMPION, version)
    try:
        measured = evaluate.evaluate(shop, snapshot_date)
        assert "not_registered_here" in measured.champion_unusable
        assert not trace.exists()
    finally:
        set_champion(shop, client, "1")


@pytest.mark.parametrize("change", ["pickle", "arrays", "added", "code", "link"])
def test_a_file_that_was_replaced_in_place_is_refused(shop, files, tmp_path, change, snapshot_date):
    stored, trace = files / "artifacts" / NAME, tmp_path / "ran"
    if change == "pickle":
        (stored / "0.pkl").write_bytes(pickle.dumps(Evil(trace)))
        (stored / STRUCTURE).write_text(json.dumps({"pickle": "0.pkl"}))
    elif change == "arrays":
        (stored / ARRAYS).write_bytes((stored / ARRAYS).read_bytes() + b" ")
    elif change == "added":
        (stored / "sitecustomize.py").write_text("")
    elif change == "code":
        (files / "code" / "models" / "__init__.py").write_text("import os")
    else:
        (stored / STRUCTURE).unlink()
        (stored / STRUCTURE).symlink_to("/etc/passwd")
    refused = "not_registered_here"
    with pytest.raises(PurseError, match=refused):
        load_version(shop, "1")
    trained = read_result(shop, snapshot_date, Trained)
    with pytest.raises(PurseError, match=refused):
        load_model(shop, trained.model)
    assert not trace.exists()


def test_a_seal_holds_for_its_version_and_home_only(shop, tmp_path):
    client = connect(shop)
    copy = client.create_model_version(MODEL, client.get_model_version(MODEL, "1").source)
    for tag, value in client.get_model_version(MODEL, "1").tags.items():
        client.set_model_version_tag(MODEL, copy.version, tag, value)
    with pytest.raises(NotRegisteredHere):
        load_version(shop, str(copy.version))
    client.set_model_version_tag(MODEL, copy.version, SEAL, "é" * 64)
    with pytest.raises(NotRegisteredHere):
        load_version(shop, str(copy.version))
    other = shop.with_changes(home=str(tmp_path / "other"), mlflow__tracking_uri=shop.tracking_uri)
    with pytest.raises(PurseError, match="expected them at"):
        load_version(other, "1")
    reachable = other.with_changes(mlflow__artifact_root=str(shop.home_path / "mlartifacts"))
    with pytest.raises(NotRegisteredHere):
        load_version(reachable, "1")
    inspected = inspect(reachable, "1")
    assert inspected.family
    assert f"artifacts/{NAME}/{STRUCTURE}" in {file.name for file in inspected.files}
    trust(reachable, inspected, "me", NOW)
    assert load_version(reachable, "1").horizon_days == 28
    assert '"action": "model.trust"' in (tmp_path / "other" / "serving" / "audit.jsonl").read_text()
    with pytest.raises(NotRegisteredHere):
        load_version(shop, "1")  # the tag holds one seal: that of the home that trusted it last
    trust(shop, inspect(shop, "1"), "me", NOW)
    assert load_version(shop, "1").horizon_days == 28


def test_a_forged_result_of_a_training_is_not_registered(shop, snapshot_date):
    client, trained = connect(shop), read_result(shop, snapshot_date, Trained)
    forged = trained.model_copy(update={"family": "forged", "model": trained.model.model_copy(update={"digest": "0"})})
    client.set_tag(trained.run_id, train.RESULT, forged.model_dump_json())
    again = train.train(shop, snapshot_date)
    assert again.family == trained.family
    write_result(shop, snapshot_date, again)
    assert load_model(shop, again.model).horizon_days == 28


def test_an_alias_moved_by_hand_is_followed_only_to_sealed_versions_and_told(shop, snapshot_date):
    client = connect(shop)
    version = str(client.create_model_version(MODEL, client.get_model_version(MODEL, "1").source).version)
    trust(shop, inspect(shop, version), "me", NOW)
    assert moved_from(shop, "1") is None
    client.set_registered_model_alias(MODEL, CHAMPION, version)
    assert (champion_version(shop), moved_from(shop, version)) == (version, "1")
    notice_move(shop, version, NOW)
    notice_move(shop, version, NOW)
    lines = (shop.serving_folder / "audit.jsonl").read_text().splitlines()
    moved = [json.loads(line) for line in lines if '"champion.moved"' in line]
    assert [(line["from_version"], line["to_version"]) for line in moved] == [("1", version)]
    told = f"moved by hand from version 1 to version {version}"
    assert told in page(shop, "/model").text
    write_result(shop, snapshot_date, evaluate.evaluate(shop, snapshot_date))
    assert told in promote.promote(shop, snapshot_date).description
    client.delete_registered_model_alias(MODEL, CHAMPION)
    with pytest.raises(LostChampion, match="alias_removed"):  # a gate without a champion would be open
        champion_version(shop)
    set_champion(shop, client, "1")


def page(shop, path):
    """A page of the dashboard over the shop."""
    app = FastAPI()
    app.include_router(router(shop, now=lambda: NOW))
    with TestClient(app, raise_server_exceptions=False) as client:
        return client.get(path)


GARBAGE = {
    "no JSON": b"{",
    "another type": b"7",
    "wrong fields": b'{"region=north": {"users": "many"}}',
    "no text": b"\xff\xfe\x00",
    "deep": b"[" * 100_000,
    "long names": b'{"' + b"x" * 1_000 + b'": {"users": 1}}',
    "large": b" " * 20_000_001,
}


@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE)
def test_a_damaged_artifact_is_named_on_the_page(shop, content):
    run = connect(shop).get_run(connect(shop).get_model_version(MODEL, "1").run_id)
    path = Path(run.info.artifact_uri) / "slices.json"
    whole = path.read_bytes()
    path.write_bytes(content)
    try:
        answer = page(shop, "/model?version=1")
    finally:
        path.write_bytes(whole)
    assert answer.status_code == 503
    assert "slices.json" in answer.text
    assert "is damaged" in answer.text


def test_texts_from_mlflow_are_shown_as_text(shop):
    client, text = connect(shop), "<script>alert(1)</script>"
    before = client.get_model_version(MODEL, "1")
    for name in ("family", "outcome", "ngini"):
        client.set_model_version_tag(MODEL, "1", name, text)
    client.update_model_version(MODEL, "1", text * 1_000)
    client.set_tag(before.run_id, "mlflow.note.content", text)
    for path in ("/model?version=1", "/card?version=1", "/trust", "/"):
        answer = page(shop, path)
        assert answer.status_code in (200, 503)  # a shop without scores has no first page
        assert text not in answer.text
    for name in ("family", "outcome", "ngini"):
        client.set_model_version_tag(MODEL, "1", name, before.tags[name])
    client.update_model_version(MODEL, "1", before.description)


def test_rollback_goes_to_sealed_versions_only(shop, tmp_path):
    client = connect(shop)
    version = foreign_version(shop, tmp_path / "model", tmp_path / "ran")
    client.set_model_version_tag(MODEL, "1", "purse.previous_champion", version)
    with pytest.raises(NotRegisteredHere):
        rollback.rollback(shop, NOW)
    assert champion_version(shop) == "1"
    client.delete_model_version_tag(MODEL, "1", "purse.previous_champion")


def test_a_tag_with_an_address_is_not_followed(shop, tmp_path):
    secret = tmp_path / "airflow_login.json"
    secret.write_text('{"admin": "hunter2"}')
    connect(shop).set_model_version_tag(MODEL, "1", "purse.model_card", f"file://{secret}")
    assert "hunter2" not in read_card(shop, "1", CHAMPION)


def test_only_one_place_loads_models():
    places = []
    for package in ("pipelines", "serving", "stack", "cli", "dags", "models", "features", "expectations"):
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            text = path.read_text()
            found = [word for word in ("pyfunc.load_model", "pickle.load", "Unpickler", "joblib") if word in text]
            places += [(path.relative_to(REPOSITORY).as_posix(), word) for word in found]
    assert places == [("models/storage.py", "Unpickler")]


def test_a_pickle_may_use_a_few_packages_only(tmp_path):
    (tmp_path / ARRAYS).write_bytes(b"")
    storage.write({}, tmp_path)
    for content in (
        pickle.dumps(Evil(tmp_path / "ran")),
        b"cos\nsystem\n(S'true'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
    ):
        (tmp_path / "0.pkl").write_bytes(content)
        (tmp_path / STRUCTURE).write_text(json.dumps({"pickle": "0.pkl"}))
        with pytest.raises(ValueError, match="Expected an object of scikit-learn"):
            storage.read(tmp_path)
    assert not (tmp_path / "ran").exists()
    for structure in (
        {"object": ["os:system", {}]},
        {"object": ["models.catalog:build", {}]},
        {"pickle": "../0.pkl"},
        {"no kind": 1},
    ):
        (tmp_path / STRUCTURE).write_text(json.dumps(structure))
        with pytest.raises(ValueError, match="Expected"):
            storage.read(tmp_path)


def test_mlflow_serves_the_logged_model_as_before_and_breaks_no_seal(shop, snapshot_date):
    trained = read_result(shop, snapshot_date, Trained)
    assert mlflow.pyfunc.load_model(trained.model.uri).metadata.model_id  # adds a file to the local store
    assert load_model(shop, trained.model).horizon_days == 28
