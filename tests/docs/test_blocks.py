"""The blocks of README and guides: shell parses and runs where it says so, YAML and requests fit, Python runs."""

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from fastapi.routing import APIRoute
from pydantic import BaseModel

from features.definitions import FEATURES
from features.families import windows
from pipelines.settings import REPOSITORY, load_settings
from pipelines.source.definition import load_source
from tests.docs.blocks import PAGES, blocks

SMALLER = {"--users 2000 --days 120": "--users 60 --days 30"}
"""What a run of the guides takes in the place of a shop that takes a minute."""


@pytest.mark.parametrize("block", blocks("sh"), ids=str)
def test_a_shell_block_parses_and_its_make_targets_exist(block):
    parsed = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert parsed.stderr == ""
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", block.text, re.MULTILINE)) <= targets


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_a_yaml_block_fits_a_source_or_the_settings(block, tmp_path, monkeypatch):
    file, content = tmp_path / "block.yaml", yaml.safe_load(block.text)
    if "from" in content:  # the block shows a part of a table
        content = {"tables": {"order_lines": content}}
    if "tables" not in content:
        defaults = load_settings()
        file.write_text(block.text)
        monkeypatch.setenv("PURSE_CONFIG", str(file))
        assert load_settings() != defaults
        return
    example = yaml.safe_load(blocks("yaml", REPOSITORY / "README.md")[0].text)
    for name, table in content["tables"].items():
        if "columns" not in table:  # the block shows a part of a source
            table["columns"] = example["tables"][name]["columns"]
    file.write_text(yaml.safe_dump({"title": "Part", **content}))
    source = load_source(load_settings().with_changes(source=str(file)))
    assert source.tables.keys() == content["tables"].keys()


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_a_python_block_is_a_feature_as_it_is_declared(block):
    shown = eval(block.text, vars(windows))  # noqa: S307  # the guide's own text
    declared = next(feature for feature in FEATURES if feature.name == shown.name)
    for part in ("unit", "description", "phrase", "window_days", "default", "needs", "table"):
        assert getattr(shown, part) == getattr(declared, part)


def test_requests_of_the_guides_fit_the_api(settings):
    from serving.app import create_app

    app = create_app(settings)
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    requests = [words for block in blocks("sh") for words in _curls(block.text)]
    assert len(requests) >= 3
    for words in requests:
        body = words[words.index("-d") + 1] if "-d" in words else None
        path = "/" + next(word for word in words if word.startswith("localhost:")).split("/", 1)[1]
        method = "POST" if body else "GET"
        route = next(one for one in routes if method in one.methods and one.path_regex.match(path))
        if body:
            kinds = [parameter.annotation for parameter in inspect.signature(route.endpoint).parameters.values()]
            (model,) = (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))
            model.model_validate(json.loads(body))


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(one.run for one in blocks("sh", page))], ids=lambda page: page.stem
)
def test_blocks_that_say_run_are_run(page, tmp_path, request):
    if page.stem == "your-own-data":
        request.getfixturevalue("shop")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "activate").write_text(f"export PATH={Path(sys.executable).parent}:$PATH\n")
    script = "\n".join(block.text for block in blocks("sh", page) if block.run)
    for shown, smaller in SMALLER.items():
        script = script.replace(shown, smaller)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PURSE_HOME": str(tmp_path / "home")}
    script = f"set -euo pipefail\nsource .venv/bin/activate\n{script}"
    ended = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=400
    )
    assert ended.returncode == 0, ended.stderr[-3000:]


def _curls(text: str) -> list[list[str]]:
    words = shlex.split(text, comments=True)
    starts = [place for place, word in enumerate(words) if word == "curl"]
    return [words[start:end] for start, end in pairwise([*starts, len(words)])]
