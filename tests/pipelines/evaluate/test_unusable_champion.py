"""A champion that cannot be compared is no missing champion: it stays until a person approves its replacement."""

import pickle
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from models.promotion import Gain
from pipelines import promote, register
from pipelines.errors import PurseError, UnusableModel
from pipelines.evaluate import step as evaluate
from pipelines.results.result import read_result, write_result
from pipelines.results.training import Split
from pipelines.tracking.logged_model import load_model
from pipelines.tracking.registry import CHAMPION, PREVIOUS, read_card, version_of
from pipelines.tracking.runs import connect
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
    """The pickle of the champion, whole again after the test."""
    client = connect(duel)
    client.set_registered_model_alias(MODEL, CHAMPION, "1")
    folder = Path(client.get_model_version_download_uri(MODEL, "1"))
    shutil.copytree(folder, tmp_path / "whole")
    (path,) = folder.rglob("purchasing_power.pkl")
    yield path
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(tmp_path / "whole", folder)


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
    model = pickle.loads(path.read_bytes())  # noqa: S301  (made by this test)
    vars(model).pop("windows")  # as in a pickle from before there was this field
    path.write_bytes(pickle.dumps(model))


def needs_a_package(path):
    gone = ModuleType("gone_package")
    gone.Model = type("Model", (), {"__module__": "gone_package"})
    sys.modules["gone_package"] = gone
    path.write_bytes(pickle.dumps(gone.Model()))
    del sys.modules["gone_package"]


def changed(**fields):
    def change(path):
        model = pickle.loads(path.read_bytes())  # noqa: S301  (made by this test)
        path.write_bytes(pickle.dumps(replace(model, **fields)))

    return change


def loses_its_folder(path):
    shutil.rmtree(path.parents[1])


CAUSES = {
    "corrupt": (lambda path: path.write_bytes(path.read_bytes()[:1000]), "it cannot be loaded: "),
    "no file": (lambda path: path.unlink(), "it cannot be loaded: FileNotFoundError: "),
    "no folder": (loses_its_folder, "it cannot be loaded: "),
    "older code": (lacks_a_field, "it cannot be loaded: AttributeError: "),
    "no package": (needs_a_package, "it cannot be loaded: ModuleNotFoundError: No module named 'gone_package'"),
    "horizon": (changed(horizon_days=14), "it predicts 14 days, and horizon_days is 28"),
    "feature": (changed(feature_names=("spend_7d",)), "it cannot score the test users: ValueError: "),
    "library": (changed(members=((1.0, object(), "mean", 1.0),)), "it cannot score the test users: AttributeError: "),
}


@pytest.mark.parametrize(("break_it", "reason"), CAUSES.values(), ids=CAUSES)
def test_each_cause_is_recorded_and_the_champion_stays(duel, snapshot_date, champion, measure, break_it, reason):
    break_it(champion)
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
    champion.write_bytes(b"corrupt")
    baselines = measure().baselines
    best = max(baselines, key=lambda name: baselines[name].measures["ngini"])
    measure(**{best: UNSURE})
    kept = promote.promote(duel, snapshot_date, replace_unusable=True)
    assert kept.outcome == "champion_unusable"
    assert f"the best baseline, {best}: gain +0.0100" in kept.description
    assert version_of(connect(duel), MODEL, CHAMPION) == "1"


def test_a_person_or_the_setting_approves_the_replacement(duel, snapshot_date, champion, measure):
    champion.write_bytes(b"corrupt")
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
def test_a_store_that_does_not_answer_says_nothing_about_the_champion(duel, measure):
    client = connect(duel)
    made = client.create_model_version(MODEL, "http://127.0.0.1:1/model")  # where nothing listens
    client.set_registered_model_alias(MODEL, CHAMPION, made.version)
    with pytest.raises(PurseError, match=r"cannot be read now: .*run the step again") as caught:
        measure()
    assert not isinstance(caught.value, UnusableModel)


def test_a_file_that_this_machine_cannot_read_says_nothing_about_the_champion(champion, measure):
    champion.unlink()
    champion.mkdir()
    with pytest.raises(PurseError, match="cannot be read now: IsADirectoryError"):
        measure()


def test_scoring_with_an_unusable_champion_is_an_error_as_before(duel, champion):
    lacks_a_field(champion)
    with pytest.raises(PurseError, match=r"cannot be loaded: AttributeError.*windows.*purse rollback"):
        load_model(duel, f"models:/{MODEL}@{CHAMPION}")


@pytest.mark.usefixtures("champion")
def test_without_a_reason_the_gate_still_fails_closed(duel, snapshot_date, measure):
    """As if `evaluate` had left no reason."""
    measured = measure().model_copy(update={"champion": None, "champion_unusable": None})
    write_result(duel, snapshot_date, measured)
    assert promote.promote(duel, snapshot_date).outcome == "champion_unusable"
