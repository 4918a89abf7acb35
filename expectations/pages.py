"""The Data Docs as files that need nothing from another host.

Great Expectations renders a page per validation; its styles, scripts and logo come from public hosts. Here they are
taken out, and one stylesheet beside the pages takes their place. The index is written anew, because the original one is
an empty table without its scripts.
"""

import html
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from great_expectations.data_context import AbstractDataContext
    from great_expectations.data_context.types.resource_identifiers import ValidationResultIdentifier

KEPT_RESULTS = 30
"""Data Docs keep so many validations of a table: about a month of daily runs."""

STYLE = Path(__file__).with_name("data_docs.css")
FROM_ELSEWHERE = re.compile(
    r"<script[^>]*\ssrc=\"[a-z]*:?//[^>]*>\s*</script>|<link[^>]*\shref=\"[a-z]*:?//[^>]*>|<img[^>]*\ssrc=\"[a-z]*:?//[^>]*>",
    re.IGNORECASE,
)
INLINE_SCRIPT = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>.*?</script>", re.DOTALL | re.IGNORECASE)
"""What is left calls the libraries that are gone."""

SUITE_LINK = re.compile(r'<a href="[./]*/expectations/[^"]*"\s*>([^<]*)</a>')
"""To a page that is not rendered: each rule stands with its result."""


def write_pages(context: "AbstractDataContext", result: "ValidationResultIdentifier", data_docs: Path) -> Path:
    """Render the page of a result and the index, and forget the oldest results of the same table.

    Returns:
        The page.
    """
    name, run = result.expectation_suite_identifier.name, result.run_id.run_name
    _prune(data_docs, name)
    context.build_data_docs(resource_identifiers=[result], build_index=False)
    page = next((data_docs / "validations" / name / str(run)).rglob("*.html"))
    shutil.copyfile(STYLE, data_docs / STYLE.name)
    page.write_text(_at_home(page.read_text(), "../" * (len(page.relative_to(data_docs).parts) - 1)))
    (data_docs / "index.html").write_text(_index(data_docs))
    return page


def _at_home(text: str, root: str) -> str:
    """A page without what comes from elsewhere, with the stylesheet that lies at `root`."""
    text = INLINE_SCRIPT.sub("", FROM_ELSEWHERE.sub("", text))
    text = SUITE_LINK.sub(r"\1", text)
    return text.replace("</head>", f'<link rel="stylesheet" href="{root}{STYLE.name}">\n</head>', 1)


def _index(data_docs: Path) -> str:
    rows = [_validation(data_docs, page) for page in (data_docs / "validations").glob("*/*/*/*.html")]
    rows += [(page.stem, "monitoring", page, "", "") for page in (data_docs / "monitoring").glob("*.html")]
    # the newest first, and of a day the tables by name
    rows.sort(key=lambda row: row[1])
    rows.sort(key=lambda row: row[0], reverse=True)
    lines = "\n".join(
        f'<tr><td>{html.escape(day)}</td><td><a href="{html.escape(page.relative_to(data_docs).as_posix())}">'
        f'{html.escape(name)}</a></td><td class="{verdict}">{verdict}</td><td>{count}</td></tr>'
        for day, name, page, verdict, count in rows
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Data Docs</title>\n'
        f'<link rel="stylesheet" href="{STYLE.name}"></head>\n<body class="index"><h1>Data Docs</h1>\n'
        "<p>Validations by table and day; a day is the exclusive end of its data.</p>\n"
        "<table><thead><tr><th>day</th><th>table</th><th>verdict</th><th>rules</th></tr></thead>\n"
        f"<tbody>\n{lines}\n</tbody></table></body></html>\n"
    )


def _validation(data_docs: Path, page: Path) -> tuple[str, str, Path, str, str]:
    """Day, table, page, verdict and how many rules hold."""
    place = page.relative_to(data_docs / "validations")
    result = (data_docs / "results" / place).with_suffix(".json")
    day, name = place.parts[1], place.parts[0]
    if not result.is_file():  # a step beside this one has just pruned it
        return day, name, page, "", ""
    results = json.loads(result.read_text())["results"]
    broken = [one for one in results if not one["success"]]
    critical = any(one["expectation_config"]["severity"] == "critical" for one in broken)
    verdict = "critical" if critical else "warning" if broken else "good"
    return day, name, page, verdict, f"{len(results) - len(broken)} of {len(results)} hold"


def _prune(data_docs: Path, name: str) -> None:
    """Keep the results written last, whatever day they are of: a backfill's pages are news too."""
    folders = (data_docs / "results" / name).iterdir()
    days = sorted(folders, key=lambda folder: folder.stat().st_mtime if folder.exists() else 0)
    for folder in days[:-KEPT_RESULTS]:
        shutil.rmtree(folder, ignore_errors=True)  # a step beside this one may prune too
        shutil.rmtree(data_docs / "validations" / name / folder.name, ignore_errors=True)
