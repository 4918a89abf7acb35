"""Data Docs as files that load nothing from another host.

Great Expectations renders one page per validation, with styles, scripts and a logo from public hosts. This module
removes them and links one stylesheet beside the pages. It also writes its own index, because the original index is an
empty table without its scripts.
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
"""Maximum number of validations of a table in Data Docs: about a month of daily runs."""

STYLE = Path(__file__).with_name("data_docs.css")
FROM_ELSEWHERE = re.compile(
    r"<script[^>]*\ssrc=\"[a-z]*:?//[^>]*>\s*</script>|<link[^>]*\shref=\"[a-z]*:?//[^>]*>|<img[^>]*\ssrc=\"[a-z]*:?//[^>]*>",
    re.IGNORECASE,
)
INLINE_SCRIPT = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>.*?</script>", re.DOTALL | re.IGNORECASE)
"""Scripts within a page; they call the removed libraries."""

SUITE_LINK = re.compile(r'<a href="[./]*/expectations/[^"]*"\s*>([^<]*)</a>')
"""Link to the page of a suite, which is not rendered: the page of a validation lists each rule with its result."""


ROW_MARK, STATUS_MARK = (
    '<i class="fas fa-times text-danger" ></i>',
    '<i class="fas fa-times text-danger" aria-hidden="true"></i> Failed',
)
"""What Great Expectations writes beside each rule that does not hold, and as the status of the page if there is one."""

WARNED = re.compile(
    re.escape(ROW_MARK) + r"(?=\s*</span>(?:(?!<i class|<span).)*<span >\s*[^(<]+ \(warning\):)", re.DOTALL
)
"""Mark of a rule that only warns: the text of the rule follows in the next cell."""

WARNING_MARK = '<i class="fas text-warning"></i>'


def write_pages(context: "AbstractDataContext", result: "ValidationResultIdentifier", data_docs: Path) -> Path:
    """Render the page of a result and the index, and delete the oldest results of the same table.

    Args:
        context: context that stores the result under `data_docs`.
        result: the stored result.
        data_docs: folder of the Data Docs.

    Returns:
        Path of the page.
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
    """Page without content from other hosts, with a link to the stylesheet at `root`."""
    text = INLINE_SCRIPT.sub("", FROM_ELSEWHERE.sub("", text))
    text = WARNED.sub(WARNING_MARK, SUITE_LINK.sub(r"\1", text))
    if ROW_MARK not in text:
        text = text.replace(STATUS_MARK, f"{WARNING_MARK} Warning")
    return text.replace("</head>", f'<link rel="stylesheet" href="{root}{STYLE.name}">\n</head>', 1)


def _index(data_docs: Path) -> str:
    rows = [_validation(data_docs, page) for page in (data_docs / "validations").glob("*/*/*/*.html")]
    rows += [(page.stem, "monitoring", page, "", "") for page in (data_docs / "monitoring").glob("*.html")]
    # newest day first; within a day, tables by name
    rows.sort(key=lambda row: row[1])
    rows.sort(key=lambda row: row[0], reverse=True)
    lines = "\n".join(
        f"<tr><td>{html.escape(day).replace('_from_', ', from ')}</td>"
        f'<td><a href="{html.escape(page.relative_to(data_docs).as_posix())}">'
        f'{html.escape(name)}</a></td><td class="{verdict}">{verdict}</td><td>{count}</td></tr>'
        for day, name, page, verdict, count in rows
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Data Docs</title>\n'
        f'<link rel="stylesheet" href="{STYLE.name}"></head>\n<body class="index"><h1>Data Docs</h1>\n'
        "<p>Validations by table and day. The day is the exclusive end of the data; the first day follows it.</p>\n"
        "<table><thead><tr><th>day</th><th>table</th><th>verdict</th><th>rules</th></tr></thead>\n"
        f"<tbody>\n{lines}\n</tbody></table></body></html>\n"
    )


def _validation(data_docs: Path, page: Path) -> tuple[str, str, Path, str, str]:
    """Day, table, page, verdict and number of rules that hold."""
    place = page.relative_to(data_docs / "validations")
    result = (data_docs / "results" / place).with_suffix(".json")
    day, name = place.parts[1], place.parts[0]
    if not result.is_file():  # a concurrent step has just deleted it
        return day, name, page, "", ""
    results = json.loads(result.read_text())["results"]
    broken = [one for one in results if not one["success"]]
    critical = any(one["expectation_config"]["severity"] == "critical" for one in broken)
    verdict = "critical" if critical else "warning" if broken else "good"
    return day, name, page, verdict, f"{len(results) - len(broken)} of {len(results)} hold"


def _prune(data_docs: Path, name: str) -> None:
    """Keep the results that were written last, of whatever day: the pages of a backfill are new too."""
    folders = (data_docs / "results" / name).iterdir()
    days = sorted(folders, key=lambda folder: folder.stat().st_mtime if folder.exists() else 0)
    for folder in days[:-KEPT_RESULTS]:
        shutil.rmtree(folder, ignore_errors=True)  # a concurrent step may delete it too
        shutil.rmtree(data_docs / "validations" / name / folder.name, ignore_errors=True)
