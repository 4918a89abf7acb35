"""Docstrings, comments and messages avoid the words that a reader has to decode; docs/ says it once."""

import ast
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["files"]

ANYWHERE = re.compile(
    r"\b(so many|whom|of which|for want of|none that|is told|are told|was told|been told|that of the|those of the)\b",
    re.IGNORECASE,
)
AT_THE_START = re.compile(r"^(Of|Whose|Whom|Who|For want)\b")
"""Of a sentence."""

SENTENCE = re.compile(r"(?<=[.!?:])\s+")


def texts_of_code(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each docstring, message of at least four words, and comment."""
    source = path.read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value.split()) > 3:
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")


def faults(line: int, text: str) -> Iterator[str]:
    for match in ANYWHERE.finditer(" ".join(text.split())):
        yield f"line {line}: '{match[0]}'"
    for sentence in SENTENCE.split(text.strip()):
        if match := AT_THE_START.match(sentence.strip()):
            yield f"line {line}: a sentence begins with '{match[0]}': {sentence.strip()[:60]}"


@pytest.mark.parametrize("package", [*PACKAGES, "benchmarks", "scripts"])
def test_code_is_written_in_plain_words(package):
    found = {
        str(path.relative_to(ROOT)): sorted({fault for text in texts_of_code(path) for fault in faults(*text)})
        for path in sorted((ROOT / package).rglob("*.py"))
    }
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize("page", ["README.md", "docs", "benchmarks", "conf"])
def test_pages_are_written_in_plain_words(page):
    place = ROOT / page
    pages = [place] if place.is_file() else [*place.rglob("*.md"), *place.rglob("*.yaml")]
    found = {str(path.relative_to(ROOT)): list(faults(0, path.read_text())) for path in pages}
    assert {path: lines for path, lines in found.items() if lines} == {}
