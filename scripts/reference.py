"""Write docs/reference from the code: settings, commands, endpoints, DAGs and features.

`make reference` runs it. tests/docs/test_reference.py fails while a page differs from what this script writes.
"""

import ast
import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Any

import typer
import yaml
from fastapi.routing import APIRoute

from features.definitions import FEATURES
from features.feature import Feature
from pipelines.settings import DEFAULTS, REPOSITORY, load_settings

FOLDER = REPOSITORY / "docs" / "reference"
NOTE = "<!-- Written by `make reference` from {source}. Edit that, not this page. -->"
SETTING = re.compile(r"^(?P<indent> *)(?P<key>\w+):(?P<value>[^#]*?)(?:\s+#\s*(?P<comment>.*))?$")
COMMENT = re.compile(r"^\s+#\s*(?P<comment>.*)$")
SCHEDULES = {
    "ORDER_LINES": "new orders were validated",
    "CHAMPION": "a champion was promoted",
    "PREDICTIONS": "users were scored",
}
PAGES = {
    "/": "Dashboard: tiers, scores and movers of the newest snapshot, with filters",
    "/list": "Dashboard: users by tier, score, chance to buy, movement and last purchase, sorted, page by page",
    "/trust": "Dashboard: drift, and predictions against what users spent",
    "/health": "Dashboard: what the newest `purse doctor` found",
    "/model": "Dashboard: the champion, its challengers and the decisions (`version`: another version)",
    "/card": "Dashboard: the model card (`version`: another version)",
    "/users": "Dashboard: one user, with reasons and what changed (`user_id`)",
    "/users.csv": "All users of the same filters as CSV",
    "/docs": "The endpoints in Swagger UI, to try them; no key needed",
    "/docs/{name}": "Scripts and styles of `/docs`",
    "/static/{name}": "Scripts and styles of the dashboard",
}

SETTINGS_INTRODUCTION = """Write your own values into a YAML file and name it in `PURSE_CONFIG`, or set an environment
variable: `PURSE_SWEEP__TRIALS=40` sets `sweep.trials`. A variable overrides the file, the file overrides the
default. An unknown key, an unknown variable that begins with `PURSE_` or a value of the wrong type stops the command
and is named."""

COMMANDS_INTRODUCTION = """The DAGs run the same commands. A step can be run again: it replaces what it wrote.
Exit code 0 is success, 99 means that there is nothing to do yet. Any other code is an error, with its message on
stderr: 2 if an option, a setting or a source file is wrong, so that another try fails as well; 75 if a service does
not answer."""

API_INTRODUCTION = """The live service answers on port 8000 (`serving.port`). On a loopback address no key is needed.
On any other address send a key with the scope (`purse keys create NAME --scope read`) as `Authorization: Bearer KEY`.
`/docs` shows every field of every request and answer, with examples, and tries them; `/openapi.json` is its document.
Every address that answers GET answers HEAD."""

DAGS_INTRODUCTION = "Airflow shows each runbook on the DAG's page, under Docs."

FEATURES_INTRODUCTION = """A feature whose input columns (*needs*) are missing from your data is left out. Every
window ends before the snapshot date."""


def main() -> None:
    """Write every page."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text)


def pages() -> dict[str, str]:
    """Each page's file name and text."""
    return {
        "settings.md": _page("Settings", "conf/purse.yaml", SETTINGS_INTRODUCTION, settings_table()),
        "commands.md": _page("Commands", "cli/", COMMANDS_INTRODUCTION, *command_sections()),
        "api.md": _page("HTTP API", "serving/", API_INTRODUCTION, endpoint_table()),
        "dags.md": _page("DAGs", "dags/*.py", DAGS_INTRODUCTION, *dag_sections()),
        "features.md": _page("Features", "features/definitions.py", FEATURES_INTRODUCTION, feature_table()),
    }


def settings_table() -> str:
    """Every key of conf/purse.yaml with its default and its comment."""
    rows = [(f"`{name}`", f"`{_default(value)}`", comment) for name, value, comment in settings()]
    return _table(("setting", "default", "meaning"), rows)


def settings() -> Iterator[tuple[str, Any, str]]:
    """Name, default and comment of every setting, in the order of the file."""
    values, comments = yaml.safe_load(DEFAULTS.read_text()), _comments(DEFAULTS.read_text())
    for key, value in values.items():
        section = (
            {f"{key}.{part}": default for part, default in value.items()} if isinstance(value, dict) else {key: value}
        )
        for name, default in section.items():
            yield name, default, comments[name]


def _comments(text: str) -> dict[str, str]:
    """The comment behind each key, lines that go on with it included."""
    comments: dict[str, str] = {}
    section = name = ""
    for line in text.splitlines():
        if more := COMMENT.match(line):
            comments[name] += f" {more['comment']}"
        elif found := SETTING.match(line):
            section = section if found["indent"] else found["key"]
            name = f"{section}.{found['key']}" if found["indent"] else section
            comments[name] = found["comment"] or ""
    return comments


def command_sections() -> Iterator[str]:
    """A table of all commands, then the options of each."""
    from cli.main import app

    commands = list(_commands(typer.main.get_command(app), "purse"))
    yield _table(
        ("command", "what it does"), [(f"[`{name}`](#{name.replace(' ', '-')})", _help(one)) for name, one in commands]
    )
    for name, command in commands:
        rows = [(_option(one), _plain(one.help), _given(one)) for one in command.params]
        table = _table(("option", "meaning", "default"), rows) if rows else "No options."
        yield f"## {name}\n\n{_help(command)}\n\n{table}"


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401  # click's, which typer carries
    if not hasattr(command, "commands"):
        yield name, command
        return
    for word, one in command.commands.items():
        yield from _commands(one, f"{name} {word}")


def _help(command: Any) -> str:  # noqa: ANN401
    return _plain((command.help or "").split("\n\n")[0])


def _option(parameter: Any) -> str:  # noqa: ANN401
    name = parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.opts[0].upper()
    return f"`{name}`"


def _given(parameter: Any) -> str:  # noqa: ANN401
    if parameter.required:
        return "required"
    plain = isinstance(parameter.default, (str, int, float)) and not isinstance(parameter.default, bool)
    return f"`{parameter.default}`" if plain else ""


def endpoint_table() -> str:
    """Every endpoint and page of the live service with the scope that its key needs."""
    from serving.api.security import scope_of
    from serving.app import create_app

    routes = [route for route in create_app(load_settings()).routes if isinstance(route, APIRoute)]
    rows = []
    for route in routes:
        path = route.path.replace(":path", "")
        meaning = _plain(inspect.getdoc(route.endpoint) or "") if route.include_in_schema else PAGES[path]
        rows.append((f"`{'/'.join(sorted(route.methods))} {path}`", scope_of(route) or "none", meaning))
    return _table(("endpoint", "scope", "meaning"), rows)


def dag_sections() -> Iterator[str]:
    """The schedule and the runbook of every DAG, read from its file without Airflow."""
    for file in sorted((REPOSITORY / "dags").glob("*_daily.py")):
        tree = ast.parse(file.read_text())
        title, _, runbook = (ast.get_docstring(tree) or "").partition("\n")
        schedule = next(one.value for one in ast.walk(tree) if isinstance(one, ast.keyword) and one.arg == "schedule")
        yield f"## {file.stem}\n\n**{title.strip('# ')}** Starts {_schedule(schedule)}.\n\n{runbook.strip()}"


def _schedule(expression: ast.expr) -> str:
    setting = re.search(r"\.(airflow\.\w+)\)$", ast.unparse(expression))
    if setting:
        return f"by the clock, setting `{setting[1]}`"
    return "when " + " or ".join(SCHEDULES[one.id] for one in ast.walk(expression) if isinstance(one, ast.Name))


def feature_table() -> str:
    """Every feature in the order of the columns."""
    rows = [
        (
            f"`{one.name}`",
            one.unit.text,
            _window(one),
            one.description,
            ", ".join(f"`{need}`" for need in one.needs),
        )
        for one in FEATURES
    ]
    return _table(("feature", "unit", "window", "description", "needs"), rows)


def _window(feature: Feature) -> str:
    if feature.table == "users":
        return ""
    if feature.half_life_days:
        return f"half-life {feature.half_life_days} days"
    return f"{feature.window_days} days" if feature.window_days else "whole history"


def _default(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n").removesuffix("\n...")


def _plain(text: str) -> str:
    """The first paragraph on one line."""
    return " ".join((text or "").split("\n\n")[0].split())


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in line) + " |" for line in lines
    )


def _page(title: str, source: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", NOTE.format(source=source), *parts]) + "\n"


if __name__ == "__main__":
    main()
