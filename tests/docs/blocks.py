"""The fenced blocks of the README and the guides: language, whether a test runs them, and text."""

import re
from dataclasses import dataclass
from pathlib import Path

from pipelines.settings import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs" / "guides").glob("*.md"))]
FENCE = re.compile(r"^```(?P<language>\w+)(?P<run> run)?\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block; `run` is the word behind its language that asks for a run, which GitHub does not show."""

    page: str
    number: int
    language: str
    run: bool
    text: str

    def __str__(self) -> str:
        return f"{self.page}-{self.number}"


def blocks(language: str, page: Path | None = None) -> list[Block]:
    """All blocks of a language, in the order of the pages."""
    return [
        Block(file.stem, number, found["language"], bool(found["run"]), found["text"])
        for file in ([page] if page else PAGES)
        for number, found in enumerate(FENCE.finditer(file.read_text()))
        if found["language"] == language
    ]
