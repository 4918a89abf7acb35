"""How a page is made: templates, the formats they use, the headers of every answer and the files beside them."""

from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import Response
from fastapi.responses import FileResponse, HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from pipelines import links
from pipelines.settings import Settings

FOLDER = Path(__file__).resolve().parent
STATIC = {
    path.name: {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}[path.suffix[1:]]
    for path in sorted((FOLDER / "static").iterdir())
    if path.suffix in (".js", ".css", ".svg")
}
"""Every file that is served, and its type."""

MISSING = "–"  # noqa: RUF001 - a dash for what is not there
MINUTE, HOUR, DAY = 60, 3600, 86400


class Pages:
    """Renders templates for one shop."""

    def __init__(self, settings: Settings) -> None:
        loader = FileSystemLoader(FOLDER / "templates")
        self._templates = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.filters |= {
            "number": number, "share": share, "ago": ago, "minute": minute, "words": words, "markdown": markdown,
        }  # fmt: skip
        self._templates.globals |= {
            "links": {"airflow": links.airflow_url(settings), "mlflow": links.mlflow_url(settings)},
            "files": digest(),
        }
        self._headers = security_headers(settings)

    def render(self, template: str, status: int = 200, **values: object) -> Response:
        """The page; nothing between reader and service keeps it."""
        text = self._templates.get_template(template).render(**values)
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


def digest() -> str:
    """Digest of the files in static/: a browser loads them again when one changes."""
    together = b"".join((FOLDER / "static" / name).read_bytes() for name in STATIC)
    return sha256(together).hexdigest()[:12]


def number(value: float | None, digits: int = 0, sign: str = "") -> str:
    """With commas between thousands; `sign` "+" shows it always."""
    return MISSING if value is None or value != value else f"{value:{sign},.{digits}f}"  # noqa: PLR0124 - NaN


def share(value: float | None, digits: int = 1, sign: str = "") -> str:
    """A share (0 to 1) in per cent."""
    return MISSING if value is None else f"{number(100 * value, digits, sign)} %"


def minute(moment: datetime) -> str:
    """Date and time to the minute, UTC."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that fits."""
    seconds = max((now - moment.replace(tzinfo=moment.tzinfo or UTC)).total_seconds(), 0)
    for unit, length in (("day", DAY), ("hour", HOUR), ("minute", MINUTE)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def words(name: str | date) -> str:
    """A name of the code in words: "first_champion" as "first champion"."""
    return str(name).replace("_", " ")


def markdown(text: str) -> Markup:
    """Markdown as HTML; HTML in it is shown as text."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens: list[Any] = parser.parse(text)
    for token in tokens:
        token.attrs.pop("style", None)  # the policy refuses styles; columns are aligned by the stylesheet
    return Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704 - the parser escapes what it is given
