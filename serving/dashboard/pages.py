"""How a page is made: templates, their formats and language, the headers of every answer and the files beside them."""

from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import Response
from fastapi.responses import FileResponse, HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from pipelines import links
from pipelines.errors import PurseError
from pipelines.settings import Settings
from pipelines.source.definition import load_source
from serving.dashboard import feature_words, formats
from serving.dashboard.language import LANGUAGES, gettext, language, ngettext

FOLDER = Path(__file__).resolve().parent
STATIC = {
    path.name: {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}[path.suffix[1:]]
    for path in sorted((FOLDER / "static").iterdir())
    if path.suffix in (".js", ".css", ".svg")
}
"""Every file that is served, and its type."""


class Pages:
    """Renders templates for one shop."""

    def __init__(self, settings: Settings) -> None:
        loader = FileSystemLoader(FOLDER / "templates")
        self._templates = Environment(
            loader=loader,
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        self._templates.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
        currency = currency_of(settings)
        self._templates.filters |= {
            "number": formats.number, "share": formats.share, "money": partial(formats.money, code=currency),
            "ago": formats.ago, "minute": formats.minute, "day": formats.day, "words": words, "markdown": markdown,
            "brief": feature_words.brief, "checked": feature_words.checked, "measure": feature_words.measure,
            "unit": feature_words.unit, "group": feature_words.group, "recipe": feature_words.recipe,
        }  # fmt: skip
        self._templates.globals |= {
            "links": {"airflow": links.airflow_url(settings), "mlflow": links.mlflow_url(settings)},
            "files": digest(),
            "languages": LANGUAGES,
            "currency": currency,
        }
        self._headers = security_headers(settings)

    def render(self, template: str, status: int = 200, **values: object) -> Response:
        """The page; nothing between reader and service keeps it."""
        text = self._templates.get_template(template).render(**values, language=language())
        return HTMLResponse(text, status, headers={**self._headers, "Cache-Control": "no-store"})

    def file(self, name: str) -> Response | None:
        """A file of static/; None if there is no such file. Its address changes with its content."""
        if name not in STATIC:
            return None
        headers = {**self._headers, "Cache-Control": "public, max-age=31536000, immutable"}
        return FileResponse(FOLDER / "static" / name, media_type=STATIC[name], headers=headers)


def security_headers(settings: Settings) -> dict[str, str]:
    """Nothing inline, nothing from other hosts, and only Airflow (and `dashboard.framed_by`) may show it in a frame."""
    ancestors = " ".join(("'self'", *links.frame_ancestors(settings)))
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        f"form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


def currency_of(settings: Settings) -> str | None:
    """Code of the shop's currency: `dashboard.currency`, else the source's; None where neither names one."""
    if settings.dashboard.currency:
        return settings.dashboard.currency
    try:
        declared = load_source(settings).currency
    except PurseError:
        return None  # a step says what is wrong with the source
    return declared.code.upper() if declared else None


def digest() -> str:
    """Digest of the files in static/: a browser loads them again when one changes."""
    together = b"".join((FOLDER / "static" / name).read_bytes() for name in STATIC)
    return sha256(together).hexdigest()[:12]


def words(name: str) -> str:
    """A name of the code in words and in the current language: "first_champion" as "first champion"."""
    return gettext(name.replace("_", " "))


def markdown(text: str) -> Markup:
    """Markdown as HTML; HTML in it is shown as text."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens: list[Any] = parser.parse(text)
    for token in tokens:
        token.attrs.pop("style", None)  # the policy refuses styles; columns are aligned by the stylesheet
    return Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704 - the parser escapes what it is given
