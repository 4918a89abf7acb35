"""docs/reference: every setting, command, endpoint, DAG and feature is there, as the code has it today."""

import pytest

from pipelines.settings import REPOSITORY
from scripts.reference import FOLDER, pages, settings


@pytest.fixture(scope="module")
def written():
    return pages()


@pytest.mark.parametrize("name", ["settings.md", "commands.md", "api.md", "dags.md", "features.md"])
def test_a_page_is_what_the_code_says(written, name):
    assert (FOLDER / name).read_text() == written[name], "Run 'make reference' and commit docs/reference."


def test_no_page_is_left_over(written):
    assert {file.name for file in FOLDER.glob("*.md")} == written.keys()


def test_every_setting_has_a_comment():
    assert [name for name, _, comment in settings() if not comment] == []


def test_every_command_endpoint_and_feature_has_a_line(written):
    for name in ("commands.md", "api.md", "features.md"):
        rows = [line for line in written[name].splitlines() if line.startswith(("| `", "| [`"))]
        cells = [[cell.strip() for cell in row.replace("\\|", "").strip("| ").split(" | ")] for row in rows]
        assert rows
        assert [row for row in cells if not all(row[:2])] == []


def test_a_new_dag_is_found(written):
    files = {file.stem for file in (REPOSITORY / "dags").glob("*.py") if "\n@dag(" in file.read_text()}
    assert files == {line.removeprefix("## ") for line in written["dags.md"].splitlines() if line.startswith("## ")}
