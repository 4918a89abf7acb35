"""Every link of a page leads to a file of the repository, and every page can be reached from the README."""

import re

import pytest

from pipelines.settings import REPOSITORY

README = REPOSITORY / "README.md"
PAGES = [README, *sorted((REPOSITORY / "docs").rglob("*.md")), *sorted((REPOSITORY / "benchmarks").glob("*.md"))]


def linked(page):
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
    return [page.parent / target for target in targets if "://" not in target]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page):
    assert [target for target in linked(page) if not target.exists()] == []


def test_every_page_is_reached_from_the_readme():
    reached, waiting = set(), {README}
    while waiting:
        page = waiting.pop()
        reached.add(page)
        waiting |= {one.resolve() for one in linked(page) if one.suffix == ".md"} - reached
    assert set(PAGES) <= reached


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) <= 120


def test_a_decision_is_context_choice_and_consequence_in_few_lines():
    for file in sorted((REPOSITORY / "docs" / "decisions").glob("0*.md")):
        text = file.read_text()
        heads = re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE)
        assert heads == ["Context", "Choice", "Consequence"], file.name
        assert len(text.splitlines()) <= 16, file.name
