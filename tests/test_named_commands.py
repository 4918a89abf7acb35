"""Every command that a message, a runbook, a page or the documentation names exists and parses as it is written."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from cli.main import app
from pipelines.results import data, decision, scoring, training
from pipelines.results.result import Result

ROOT = Path(__file__).resolve().parent.parent
QUOTED = re.compile(r"['`](purse [^'`]+)['`]|^\s*(?:\$ )?(purse [^#\n`]+)", re.MULTILINE)
MADE = re.compile(r"'(make [a-z-]+)[^']*'|`(make [a-z-]+)[^`]*`|^(make [a-z-]+)", re.MULTILINE)
UNKNOWN = "\x00"
"""Stands for a part of a message that is only known at run time."""

COMMAND = typer.main.get_command(app)


def packages() -> list[str]:
    import tomllib

    return list(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["files"])


def texts_of_code() -> Iterator[tuple[str, str]]:
    for package in packages():
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    yield str(path.relative_to(ROOT)), "".join(_part(value) for value in node.values)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield str(path.relative_to(ROOT)), node.value
        for page in (ROOT / package).rglob("*.html"):
            yield str(page.relative_to(ROOT)), page.read_text()


def texts_of_docs() -> Iterator[tuple[str, str]]:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "conf" / "purse.yaml"]:
        yield str(page.relative_to(ROOT)), page.read_text()


def _part(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    source = ast.unparse(value)
    return "2024-01-01" if re.search("date|day|snapshot", source) else UNKNOWN


def commands() -> list[tuple[str, str]]:
    """Place and command line, each once; those whose command itself is only known at run time are left out."""
    found = {}
    for place, text in [*texts_of_code(), *texts_of_docs()]:
        for match in QUOTED.finditer(text):
            for line in re.split(r"&&|;|\|\s", (match[1] or match[2]).strip().rstrip(".,:\\")):
                words = line.split()
                if words[:1] == ["purse"] and len(words) > 1 and UNKNOWN not in words[1]:
                    found.setdefault(line.strip(), place)
    return sorted((place, line) for line, place in found.items())


def parse(line: str) -> None:
    """Parse a command line without running it; a command that is only named need not have its arguments."""
    words = [re.sub(r"^(D|DATE|DAY|<date>|YYYY-MM-DD)$", "2024-01-01", word) for word in shlex.split(line)[1:]]
    context, command, rest = click.Context(COMMAND, info_name="purse"), COMMAND, words
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name, command, rest = command.resolve_command(context, rest)
        context = click.Context(command, info_name=name, parent=context)
    if rest == ["--help"]:
        return
    try:
        command.make_context(context.info_name, [word.replace(UNKNOWN, "1") for word in rest], parent=context.parent)
    except click.MissingParameter:
        assert not rest, f"{line}: arguments are missing"


def test_commands_are_found():
    assert len(commands()) > 40


@pytest.mark.parametrize(("place", "line"), commands(), ids=lambda value: value.replace(UNKNOWN, "…")[:60])
def test_a_named_command_parses(place, line):
    assert place
    parse(line)


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for module in (data, training, decision, scoring)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Result) and hasattr(kind, "command")
    ],
)
def test_the_command_of_a_result_parses(kind):
    of_days = kind in (data.Ingested, data.Validated)
    parse(f"purse {kind.command}" if of_days else f"purse {kind.command} --snapshot-date 2024-01-01")


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        (place, (match[1] or match[2] or match[3]).split()[1])
        for place, text in [*texts_of_code(), *texts_of_docs()]
        for match in MADE.finditer(text)
        if place.endswith(".md") or match[1] or match[2]
    }
    assert {target for _, target in named} - targets == set()
