"""Presets: source files for known exports, to copy and edit."""

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import PurseError
from pipelines.files import write_atomically
from pipelines.settings import REPOSITORY

FOLDER = REPOSITORY / "conf" / "sources" / "presets"
DEFAULT = "exports/"
"""Folder of the files in every preset."""


@dataclass(frozen=True)
class Preset:
    """A preset: its name, what it reads, and its YAML."""

    name: str
    about: str
    text: str

    @property
    def files(self) -> list[str]:
        """Patterns of the files that it reads."""
        return list(dict.fromkeys(re.findall(rf'"({DEFAULT}[^"]+)"', self.text)))

    def recognises(self, columns: Collection[str]) -> bool:
        """Whether a file with these columns is of this form: it has all that the preset's second line names."""
        named = re.search(r"^# recognised by: (.+)$", self.text, re.MULTILINE)
        return named is not None and {name.strip() for name in named[1].split(",")} <= {*columns}


def presets() -> list[Preset]:
    """Every preset, by name."""
    return [_preset(path) for path in sorted(FOLDER.glob("*.yaml"))]


def find(name: str) -> Preset:
    """Return the preset of a name.

    Raises:
        PurseError: there is none.
    """
    path = FOLDER / f"{name}.yaml"
    if name not in {one.stem for one in FOLDER.glob("*.yaml")}:
        raise PurseError(f"There is no preset '{name}'. Presets: {', '.join(one.name for one in presets())}.")
    return _preset(path)


def adapted(preset: Preset, target: Path, files: str | None, timezone: str | None) -> str:
    """Text of a preset that reads other files; paths count from the folder of `target`.

    Raises:
        PurseError: `files` is one file and the preset reads several.
    """
    text = preset.text
    if files:
        place = Path(files) if Path(files).is_absolute() else Path(os.path.relpath(files, target.parent))
        if Path(files).is_dir():
            text = text.replace(f'"{DEFAULT}', f'"{place}/')
        elif len(preset.files) == 1:
            text = text.replace(f'"{preset.files[0]}"', f'"{place}"')
        else:
            read = ", ".join(name.removeprefix(DEFAULT) for name in preset.files)
            raise PurseError(
                f"The preset '{preset.name}' reads {read}: give the folder that holds them, found {files}."
            )
    return re.sub(r"^timezone: \S+", f"timezone: {timezone}", text, flags=re.MULTILINE) if timezone else text


def edits(text: str) -> list[str]:
    """What a person has to look at: the comments of a source file that begin with 'edit:', with their lines."""
    return [f"line {number}: {line.split('# edit:', 1)[1].strip()}" for number, line in _lines(text)]


def write(target: Path, text: str, *, force: bool) -> None:
    """Write a source file.

    Raises:
        PurseError: it exists and `force` is not given; it is left as it is.
    """
    if target.exists() and not force:
        raise PurseError(f"{target} exists and was left as it is. Name another file by --to, or replace it by --force.")
    write_atomically(target, text.encode())


def _preset(path: Path) -> Preset:
    text = path.read_text()
    return Preset(path.stem, text.splitlines()[0].removeprefix("# "), text)


def _lines(text: str) -> list[tuple[int, str]]:
    return [(number, line) for number, line in enumerate(text.splitlines(), 1) if "# edit:" in line]
