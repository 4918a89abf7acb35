"""Commands for source files: presets of known exports, and a proposal for any file."""

import shlex
import tempfile
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table

from cli.output import AsJson, show
from pipelines.errors import PurseError
from pipelines.source.definition import Source

app = typer.Typer(no_args_is_help=True, help="Source files: write one from a preset, or have one proposed from files.")
console = Console(stderr=True, highlight=False)

Target = Annotated[Path, typer.Option("--to", help="Source file to write.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that exists.")]
Timezone = Annotated[str | None, typer.Option(help="Time zone of the shop, such as Europe/Berlin.", show_default=False)]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the presets and what each reads."""
    from pipelines.source.presets import presets

    show({one.name: one.about for one in presets()}, as_json=as_json)


@app.command()
def init(
    preset: Annotated[str, typer.Argument(help="Name of a preset; 'purse sources list' shows them.")],
    files: Annotated[
        str | None,
        typer.Argument(help="Exported file, pattern in quotes, or folder. Default: exports/ beside the source file."),
    ] = None,
    to: Target = Path("shop.yaml"),
    timezone: Timezone = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a source file from a preset, show ten mapped rows, and say what to edit and the next command."""
    from pipelines.source.presets import adapted, edits, find, write

    text = adapted(find(preset), to, files, timezone)
    _checked(text, to)
    write(to, text, force=force)
    left = [line for line in edits(text) if not (timezone and "time zone" in line)]
    _finish(text, to, left, as_json=as_json)


@app.command()
def guess(
    files: Annotated[
        list[Path], typer.Argument(help="Files of one export: order lines, and users, products, events if any.")
    ],
    to: Target = Path("shop.yaml"),
    timezone: Timezone = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of a workbook; '*' for all.", show_default=False)] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Propose a source file from names and values of columns, show ten mapped rows, and write it after a yes."""
    from pipelines.ingest.guess.proposal import guess as proposed
    from pipelines.source.presets import write

    with tempfile.TemporaryDirectory() as folder:
        proposal = proposed(files, to, timezone, Path(folder), sheet=sheet)
    if proposal.preset:
        place = files[0] if len(files) == 1 else files[0].parent
        command = f"purse sources init {proposal.preset.name} {shlex.quote(str(place))}"
        _report({"preset": proposal.preset.name, "about": proposal.preset.about, "next": command}, as_json=as_json)
        return
    rows, told = _preview(proposal.text, to)
    if not as_json:
        print(proposal.text)  # noqa: T201 - the command's answer
        _print_rows(rows)
    accepted = yes or (not as_json and console.is_terminal and typer.confirm(f"Write {to}?", err=True))
    if accepted:
        write(to, proposal.text, force=force)
    found = {"written": str(to) if accepted else None, "unsure": proposal.unsure, "warnings": told}
    found["next"] = _next(to) if accepted else "Run it again with --yes to write the file."
    _report(found if not as_json else found | {"yaml": proposal.text, "rows": _plain(rows)}, as_json=as_json)


def _finish(text: str, to: Path, left: list[str], *, as_json: bool) -> None:
    """Show mapped rows of a written source, what to edit, and the next command."""
    try:
        rows, told = _preview(text, to)
    except PurseError as error:
        rows, told = {}, [str(error)]
    if not as_json:
        _print_rows(rows)
    found = {"written": str(to), "edit": left, "warnings": told, "next": _next(to)}
    _report(found if not as_json else found | {"rows": _plain(rows)}, as_json=as_json)


def _report(found: dict[str, Any], *, as_json: bool) -> None:
    """Print what was found: one line of JSON, or a line per fact."""
    if as_json:
        show(found, as_json=True)
        return
    for name, value in found.items():
        for one in value if isinstance(value, list) else [value] if value else []:
            print(f"{name}: {one}")  # noqa: T201 - the command's answer


def _plain(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Rows with times as text, for JSON."""
    return {
        name: [
            {column: str(value) if isinstance(value, date) else value for column, value in row.items()}
            for row in mapped
        ]
        for name, mapped in rows.items()
    }


def _checked(text: str, to: Path) -> Source:
    """Parse a source file before it is written."""
    return Source.model_validate({**yaml.safe_load(text), "path": to.resolve()})


def _preview(text: str, to: Path) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    from pipelines.ingest.preview import preview

    return preview(_checked(text, to))


def _print_rows(rows: dict[str, list[dict[str, Any]]]) -> None:
    for name, mapped in rows.items():
        table = Table(title=f"{name}: {len(mapped)} rows as Purse reads them", title_justify="left")
        shown = [column for column in mapped[0] if any(row[column] is not None for row in mapped)]
        for column in shown:
            table.add_column(column, overflow="ellipsis", no_wrap=column != "fault")
        for row in mapped:
            table.add_row(*(_cell(row[column]) for column in shown))
        console.print(table)


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)


def _next(to: Path) -> str:
    home = to.resolve().parent / f"var-{to.stem}"
    path = shlex.quote(str(to.resolve()))
    return f"export PURSE_SOURCE={path} PURSE_HOME={shlex.quote(str(home))}; purse ingest && purse validate"
