"""Bring the catalogues of the dashboard up to date with its texts: `python scripts/translations.py`.

Texts come from the templates, from Python's `_` and `later`, and from features, units, models and outcomes, whose
texts are declared where they are. Texts without a translation are listed; a test fails while there are any.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import get_args

from babel.messages.catalog import Catalog
from babel.messages.extract import extract, extract_python
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from features.definitions import FEATURES
from features.schema import MISSING, TABLES
from models.catalog import FAMILIES
from models.predictions import TIERS
from models.promotion import Outcome
from pipelines.evaluate.findings import PROFILE
from pipelines.evaluate.step import TENURE
from pipelines.tracking.registry import CHALLENGER, CHAMPION
from serving.dashboard.feature_words import UNITS, phrase
from serving.dashboard.language import LANGUAGES, LOCALES

FOLDER = LOCALES.parent
FIXED = datetime(2026, 11, 27, tzinfo=UTC)
KEYWORDS = {"_": None, "gettext": None, "later": None, "ngettext": (1, 2)}


def texts() -> Iterator[tuple[str | tuple[str, ...], str]]:
    """Each text of the interface, and the file that holds it."""
    for path in sorted(FOLDER.glob("templates/*.html")):
        options = {"newstyle_gettext": "true", "trim_blocks": "true", "lstrip_blocks": "true"}
        for _line, _keyword, found, _comments in babel_extract(BytesIO(path.read_bytes()), KEYWORDS, [], options):
            forms = tuple(one for one in found if one) if isinstance(found, tuple) else (found,)
            yield (forms if len(forms) > 1 else forms[0]), path.name
    for path in sorted(FOLDER.glob("*.py")):
        for _line, message, _comments, _context in extract(extract_python, BytesIO(path.read_bytes()), KEYWORDS):
            yield message, path.name
    for text in declared():
        yield text, "declared"


def declared() -> Iterator[str]:
    """Texts that code outside the dashboard declares."""
    yield from (phrase(feature.name)[0] for feature in FEATURES)
    yield from (UNITS.get(feature.unit.text, feature.unit.text) for feature in FEATURES)
    yield from (family.title for family in FAMILIES.values())
    names = (*get_args(Outcome), *TIERS, *TENURE, *PROFILE, *TABLES, MISSING, CHAMPION, CHALLENGER, "tenure", "new")
    yield from (name.replace("_", " ") for name in names)


def template() -> Catalog:
    """Catalogue of all texts without translations."""
    catalogue = Catalog(project="Purse", charset="utf-8", fuzzy=False)
    for text, place in texts():
        catalogue.add(text, locations=[(place, None)])
    return catalogue


def update(path: Path, language: str) -> list[str]:
    """Add new texts to a catalogue, drop old ones; return those without a translation."""
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language)
    catalogue.update(template(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    catalogue.creation_date = FIXED  # today's would make every two branches conflict
    with path.open("wb") as file:
        write_po(file, catalogue, width=120, sort_output=True, omit_header=False)
    return [str(message.id) for message in catalogue if message.id and not all(_strings(message.string))]


def _strings(text: str | tuple[str, ...]) -> tuple[str, ...]:
    return text if isinstance(text, tuple) else (text,)


def main() -> None:
    """Update every catalogue."""
    for language in LANGUAGES:
        if language != "en":
            for text in update(LOCALES / f"{language}.po", language):
                sys.stdout.write(f"{language}: {text}\n")


if __name__ == "__main__":
    main()
