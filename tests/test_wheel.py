"""The wheel holds all that the product reads at run time, and its settings load outside the repository."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, unpacked into a folder as pip does."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site-packages")
    return folder / "site-packages"


def test_it_holds_settings_sources_pages_and_the_lock(installed):
    for place in ("conf", "serving/dashboard/templates", "serving/dashboard/static", "expectations", "dags"):
        expected = {path.relative_to(ROOT) for path in (ROOT / place).rglob("*") if path.is_file()}
        expected = {path for path in expected if "__pycache__" not in path.parts}
        assert {path for path in expected if not (installed / path).is_file()} == set(), place
    assert (installed / "requirements.lock").read_bytes() == (ROOT / "requirements.lock").read_bytes()


def test_its_settings_load_in_any_folder(installed, tmp_path):
    code = (
        "from pipelines import settings; from pipelines.source.definition import load_source;"
        "one = settings.load_settings(); load_source(one); print(settings.__file__); print(one.home_path)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    module, home = done.stdout.split()
    assert Path(module).is_relative_to(installed)
    assert Path(home) == tmp_path / "var"
