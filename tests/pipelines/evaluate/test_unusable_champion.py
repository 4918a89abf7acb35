"""A champion that cannot be compared is no missing champion: it stays until a person approves its replacement."""

import json
import pickle
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from models import storage
from models.promotion import Gain
from models.storage import ARRAYS, STRUCTURE
from pipelines import promote, register
from pipelines.errors import PurseError, UnusableModel
from pipelines.evaluate import step as evaluate
from pipelines.results.result import read_result, write_result
from pipelines.results.training import Split
from pipelines.tracking.champion import set_champion
from pipelines.tracking.logged_model import NAME, load_version
from pipelines.tracking.registry import CHAMPION, PREVIOUS, read_card, version_of
from pipelines.tracking.runs import connect
from pipelines.tracking.seals import digest, version_tags
from pipelines.train import step as train

MODEL = "purchasing-power"
BETTER = {"estimate": 0.05, "standard_error": 0.01, "better_share": 1.0}
UNSURE = {"estimate": 0.01, "standard_error": 0.02, "better_share": 0.7}


@pytest.fixture(scope="module")
def duel(make_shop, tmp_path_factory, snapshot_date):
    """A shop whose version 1 is champion, and version 2 the challenger that `evaluate` and `promote` are to judge."""
    shop = make_shop(tmp_path_factory.mktemp("duel") / "shop")
    for number in ("1", "2"):
        split = read_result(shop, snapshot_date, Split).model_copy(
            update={"training_id": f"2020-03-29-0000000{number}"}
        )
        write_result(shop, snapshot_date, split)
        write_result(shop, snapshot_date, train.train(shop, snapshot_date))
        write_result(shop, snapshot_date, register.register(shop, snapshot_date))
    return shop


@pytest.fixture
def champion(duel, tmp_path):
    """The stored files of the champion, whole again after the test."""
    client = connect(duel)
    set_champion(duel, client, "1")
    folder = Path(client.get_model_version_download_uri(MODEL, "1"))
    shutil.copytree(folder, tmp_path / "whole")
    yield folder / "artifacts" / NAME
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(tmp_path / "whole", folder)
    reseal(duel, folder / "artifacts" / NAME)


def reseal(duel, path):
    """Make the champion's files, as they are, the ones that this home registered."""
    for tag, value in version_tags(duel, MODEL, "1", digest(path.parents[1])).items():
        connect(duel).set_model_version_tag(MODEL, "1", tag, value)


@pytest.fixture
def measure(duel, snapshot_date):
    """Evaluate the challenger, as if its gain over each baseline were the given one."""

    def run(gain=BETTER, **gains):
        measured = evaluate.evaluate(duel, snapshot_date)
        baselines = {
            name: baseline.model_copy(update={"gain": Gain(**gains.get(name, gain))})
            for name, baseline in measured.baselines.items()
        }
        measured = measured.model_copy(update={"baselines": baselines})
        write_result(duel, snapshot_date, measured)
        return measured

    return run


def lacks_a_field(path):
    stored = json.loads((path / STRUCTURE).read_text())
    del stored["object"][1]["windows"]  # as in files from before there was this field
    (path / STRUCTURE).write_text(json.dumps(stored))


def needs_a_package(path):
    (path / STRUCTURE).write_text(json.dumps({"object": ["models.gone:Model", {}]}))


def needs_another_package(path):
    gone = ModuleType("gone_package")
    gone.Model = type("Model", (), {"__module__": "gone_package"})
    sys.modules["gone_package"] = gone
    (path / "0.pkl").write_bytes(pickle.dumps(gone.Model()))
    del sys.modules["gone_package"]
    (path / STRUCTURE).write_text(json.dumps({"pickle": "0.pkl"}))


def changed(**fields):
    def change(path):
        storage.write(replace(storage.read(path), **fields), path)

    return change


CAUSES = {
    "corrupt": (lambda path: (path / ARRAYS).write_bytes(b"PK"), "it cannot be loaded: "),
    "no file": (lambda path: (path / STRUCTURE).unlink(), "it cannot be loaded: FileNotFoundError: "),
    "no folder": (shutil.rmtree, "it cannot be loaded: "),
    "older code": (lacks_a_field, "it cannot be loaded: ValueError: "),
    "no module": (needs_a_package, "it cannot be loaded: ModuleNotFoundError: No module named 'models.gone'"),
    "no package": (needs_another_package, "it cannot be loaded: ValueError: Expected an object of scikit-learn"),
    "horizon": (changed(horizon_days=14), "it predicts 14 days, and horizon_days is 28"),
    "feature": (changed(feature_names=("spend_7d",)), "it cannot score the test users: ValueError: "),
    "library": (changed(members=((1.0, "", "mean", 1.0),)), "it cannot score the test users: AttributeError: "),
}


@pytest.mark.parametrize(("break_it", "reason"), CAUSES.values(), ids=CAUSES)
def test_each_cause_is_recorded_and_the_champion_stays(duel, snapshot_date, champion, measure, break_it, reason):
    break_it(champion)
    reseal(duel, champion)
    measured = measure()
    assert (measured.champion, measured.champion_version) == (None, "1")
    assert measured.champion_unusable.startswith(reason)
    assert f"\nChampion version 1 could not be compared: {reason}" in read_card(duel, "2", CHAMPION)

    kept = promote.promote(duel, snapshot_date)
    assert (kept.outcome, kept.promoted) == ("champion_unusable", False)
    assert reason in kept.description
    assert "'purse promote --snapshot-date 2020-03-29 --replace-unusable'" in kept.description
    client = connect(duel)
    version = client.get_model_version(MODEL, "2")
    assert (version.tags["outcome"], version.description) == ("champion_unusable", kept.description)
    assert float(version.tags["baseline_gain_estimate"]) == BETTER["estimate"]
    assert version_of(client, MODEL, CHAMPION) == "1"


def test_no_approval_stands_in_for_a_sure_gain_over_the_best_baseline(duel, snapshot_date, champion, measure):
    lacks_a_field(champion)
    baselines = measure().baselines
    best = max(baselines, key=lambda name: baselines[name].measures["ngini"])
    measure(**{best: UNSURE})
    kept = promote.promote(duel, snapshot_date, replace_unusable=True)
    assert kept.outcome == "champion_unusable"
    assert f"the best baseline, {best}: gain +0.0100" in kept.description
    assert version_of(connect(duel), MODEL, CHAMPION) == "1"


def test_a_person_or_the_setting_approves_the_replacement(duel, snapshot_date, champion, measure):
    lacks_a_field(champion)
    measure()
    done = promote.promote(duel, snapshot_date, replace_unusable=True)
    client = connect(duel)
    assert (done.outcome, done.promoted) == ("champion_replaced", True)
    assert version_of(client, MODEL, CHAMPION) == "2"
    assert client.get_model_version(MODEL, "2").tags[PREVIOUS] == "1"
    assert promote.promote(duel, snapshot_date) == done

    client.set_registered_model_alias(MODEL, CHAMPION, "1")
    asking_nobody = duel.with_changes(promotion__replace_unusable=True)
    assert promote.promote(asking_nobody, snapshot_date).outcome == "champion_replaced"


@pytest.mark.usefixtures("champion")
def test_a_store_that_does_not_answer_says_nothing_about_the_champion(duel):
    nowhere = duel.with_changes(mlflow__artifact_root="http://127.0.0.1:1/", mlflow__experiment="nowhere")
    client = connect(duel)
    experiment = client.create_experiment("nowhere", "http://127.0.0.1:1/artifacts")  # where nothing listens
    logged = client.create_logged_model(experiment)
    made = client.create_model_version(MODEL, logged.model_uri)
    for tag, value in version_tags(duel, MODEL, str(made.version), "0").items():
        client.set_model_version_tag(MODEL, made.version, tag, value)
    with pytest.raises(PurseError, match=r"cannot be read now: .*run the step again") as caught:
        load_version(nowhere, str(made.version))
    assert not isinstance(caught.value, UnusableModel)


def test_a_file_that_this_machine_cannot_read_says_nothing_about_the_champion(duel, champion, measure):
    (champion / STRUCTURE).unlink()
    (champion / STRUCTURE).mkdir()
    reseal(duel, champion)
    with pytest.raises(PurseError, match="cannot be read now: IsADirectoryError"):
        measure()


def test_scoring_with_an_unusable_champion_is_an_error_as_before(duel, champion):
    lacks_a_field(champion)
    reseal(duel, champion)
    with pytest.raises(PurseError, match=r"cannot be loaded \(files_lost\): ValueError.*windows.*purse champion"):
        load_version(duel, "1")


@pytest.mark.usefixtures("champion")
def test_without_a_reason_the_gate_still_fails_closed(duel, snapshot_date, measure):
    """As if `evaluate` had left no reason."""
    measured = measure().model_copy(update={"champion": None, "champion_unusable": None})
    write_result(duel, snapshot_date, measured)
    assert promote.promote(duel, snapshot_date).outcome == "champion_unusable"
