"""Files that are replaced whole, and fingerprints of code."""

import shutil

import pytest

from pipelines.files import code_fingerprint, replacing
from pipelines.settings import REPOSITORY
from pipelines.split import TRAINING_CODE


@pytest.fixture
def checkout(tmp_path):
    """A copy of the packages' code."""
    for package in ("cli", "features", "models", "pipelines", "serving"):
        shutil.copytree(REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def touched(file):
    file.write_text(file.read_text() + "\n# changed\n")


@pytest.mark.parametrize(
    "file", sorted(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "features").rglob("*.py"))
)
def test_any_file_of_the_features_changes_their_fingerprint(checkout, file):
    before = code_fingerprint(checkout / "features")
    assert before == code_fingerprint(REPOSITORY / "features")
    touched(checkout / file)
    assert code_fingerprint(checkout / "features") != before


def test_a_moved_file_changes_the_fingerprint(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one.py").write_text("x = 1")
    before = code_fingerprint(tmp_path / "a")
    (tmp_path / "a" / "one.py").rename(tmp_path / "a" / "b" / "one.py")
    assert code_fingerprint(tmp_path / "a") != before


@pytest.mark.parametrize(
    ("file", "trains"),
    [
        ("cli/model.py", False),
        ("serving/dashboard/routes.py", False),
        ("pipelines/evaluate/card/limits.py", False),
        ("models/networks/heads.py", True),
        ("features/families/rfm.py", True),
        ("pipelines/train/fit.py", True),
        ("pipelines/retraining/study/trial.py", True),
    ],
)
def test_a_training_follows_the_code_that_it_runs(checkout, file, trains):
    def training():
        return code_fingerprint(*(checkout / place for place in TRAINING_CODE))

    before = training()
    touched(checkout / file)
    assert (training() != before) is trains


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("old")
    with pytest.raises(ValueError, match="closed"), replacing(path) as file:
        file.close()
    assert path.read_text() == "old"
    with replacing(path) as file:
        file.write(b"new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
