"""The language of a page: chosen for each request, with the interface's texts from the catalogues in locales/."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from io import BytesIO
from pathlib import Path

from babel import Locale, UnknownLocaleError, negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from fastapi import Request

LOCALES = Path(__file__).resolve().parent / "locales"
LANGUAGES = {"en": "English", "de": "Deutsch", "zh": "中文"}
"""Code and own name of each language; texts in the code are English."""

COOKIE = "purse_lang"
COOKIE_SECONDS = 365 * 86400

_code: ContextVar[str] = ContextVar("language", default="en")


@cache
def translations(code: str) -> NullTranslations:
    """Catalogue of a language, compiled from its .po file at the first use."""
    if code == "en":
        return NullTranslations()
    with (LOCALES / f"{code}.po").open("rb") as file:
        catalogue = read_po(file, locale=code, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Make a language current for this context: a request, or a thread."""
    token = _code.set(code)
    try:
        yield
    finally:
        _code.reset(token)


def language() -> str:
    """Code of the current language."""
    return _code.get()


def locale() -> Locale:
    """Locale of the current language, for numbers and dates."""
    return Locale.parse(language())


def gettext(text: str) -> str:
    """Translate a text into the current language."""
    return translations(language()).ugettext(text)


def ngettext(one: str, many: str, count: int) -> str:
    """Translate a text that depends on a number."""
    return translations(language()).ungettext(one, many, count)


def _(text: str, **values: object) -> str:
    """Translate a text and fill in its values, written %(name)s."""
    translated = gettext(text)
    return translated % values if values else translated


def later(text: str) -> str:
    """Mark a text for the catalogues, to be translated by `gettext` where it is shown."""
    return text


def requested(request: Request) -> str:
    """Language of a request: `?lang=`, else the cookie, else Accept-Language, else English."""
    for code in (request.query_params.get("lang"), request.cookies.get(COOKIE)):
        if code in LANGUAGES:
            return str(code)
    return negotiate_locale(_accepted(request.headers.get("accept-language", "")), list(LANGUAGES)) or "en"


def _accepted(header: str) -> list[str]:
    """Languages of an Accept-Language header, the preferred one first."""
    weighed = []
    for part in header[:1000].split(","):
        tag, _, quality = part.partition(";q=")
        try:
            weighed.append((-float(quality or 1), Locale.parse(tag.strip(), sep="-").language))
        except (ValueError, UnknownLocaleError):
            continue
    return [code for weight, code in sorted(weighed, key=lambda pair: pair[0]) if weight < 0]
