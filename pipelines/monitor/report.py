"""Page of a day's monitoring: verdict, checks and charts in one file without external resources."""

import base64
import io
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from models.measures.drift import Summary
from pipelines.monitor.realised import Realised
from pipelines.results.scoring import Checked
from pipelines.retraining.reference.learned import Reference

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DAYS = 60
"""Days of history in the charts."""

LARGEST, DRAWN, LINES = 20, 6, 5
GREY = "#808890"
"""Grey that is readable on white and on black; the charts have no background."""

STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } th, td { padding: .2rem .8rem .2rem 0; text-align: left }
td.number { text-align: right; font-variant-numeric: tabular-nums } tr.violated td { font-weight: 600 }
.scroll { overflow-x: auto } img { max-width: 100%; height: auto } figure { margin: 1rem 0 }
"""


def render(
    facts: Checked,
    checks: pd.DataFrame,
    history: pd.DataFrame,
    reference: Reference,
    now: Mapping[str, Summary],
    realised: Realised | str,
) -> str:
    """Render the page as HTML.

    Args:
        facts: outcome of the checks.
        checks: name, kind, value, threshold, violated; worst first.
        history: the same columns for earlier days, with snapshot_date.
        reference: the champion's reference.
        now: summaries of today.
        realised: realised measures of earlier scores, or why there are none.
    """
    baseline = f" (the baseline {facts.baseline})" if facts.baseline else ""
    title = f"Monitoring {facts.snapshot_date}, champion version {facts.model_version}{baseline}"
    parts = [f"<h1>{escape(title)}</h1>", f"<p><strong>{_headline(facts)}</strong> {escape(facts.reason)}</p>"]
    parts.append(f"<p>The reference population is that of {reference.snapshot}.</p>")
    if isinstance(realised, Realised):
        measures = ", ".join(
            f"{name} {realised.measures[name]:.3f}" for name in ("ngini", "bias", "decile_wape", "auc")
        )
        parts.append(f"<p>The scores of {realised.snapshot} by version {realised.version} turned out: {measures}.</p>")
    if facts.skipped:
        parts.append("<ul>" + "".join(f"<li>{escape(line)}</li>" for line in facts.skipped) + "</ul>")
    if len(checks):
        parts += [_picture(picture, alt) for alt, picture in _pictures(checks, history, reference, now)]
        parts.append(_table(checks))
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n'
    )


def _headline(facts: Checked) -> str:
    count = len(facts.violated)
    return f"{'Retraining asked for. ' if facts.alarm else ''}{count} of {facts.checks} checks are violated."


def _table(checks: pd.DataFrame) -> str:
    rows = [
        f"<tr{' class=violated' if row.violated else ''}><td>{escape(str(row.name))}</td><td>{row.kind}</td>"
        f'<td class="number">{row.value:.4g}</td><td class="number">{row.threshold:.4g}</td>'
        f"<td>{'violated' if row.violated else ''}</td></tr>"
        for row in checks.itertuples(index=False)
    ]
    head = "<tr><th>what</th><th>measure</th><th>value</th><th>normal up to</th><th></th></tr>"
    return f'<div class="scroll"><table>{head}{"".join(rows)}</table></div>'


def _pictures(
    checks: pd.DataFrame, history: pd.DataFrame, reference: Reference, now: Mapping[str, Summary]
) -> Iterator[tuple[str, bytes]]:
    yield "The checks closest to, or beyond, their limit", _draw(1, lambda axes: _limits(axes[0], checks))
    if len(history):
        yield "These checks in the days before", _draw(1, lambda axes: _course(axes[0], checks, history))
    columns = reference.columns
    names = [name for name in dict.fromkeys(checks["name"]) if name in columns][:DRAWN]
    if names:

        def draw(axes: "list[Axes]") -> None:
            for one, name in zip(axes, names, strict=True):
                _column(one, name, columns[name].summary, now[name])

        yield "Reference and today", _draw(len(names), draw)


def _limits(axes: "Axes", checks: pd.DataFrame) -> None:
    top = checks.head(LARGEST).iloc[::-1]
    ratio = (top["value"] / top["threshold"].clip(lower=1e-12)).clip(0, 10)
    axes.barh(top["name"] + " " + top["kind"], ratio, color=np.where(top["violated"], "tab:red", "tab:blue"))
    axes.axvline(1, color=GREY, linestyle=":")
    axes.set(title="Value in parts of its limit (at most 10)")


def _course(axes: "Axes", checks: pd.DataFrame, history: pd.DataFrame) -> None:
    for one in checks.head(LINES).itertuples(index=False):
        past = history[(history["name"] == one.name) & (history["kind"] == one.kind)]
        axes.plot(
            past["snapshot_date"], past["value"] / past["threshold"].clip(lower=1e-12), label=f"{one.name} {one.kind}"
        )
    axes.axhline(1, color=GREY, linestyle=":")
    axes.tick_params(axis="x", rotation=30)
    axes.set(title="Value in parts of its limit, the days before")
    axes.legend(frameon=False, fontsize="small", labelcolor=GREY)


def _column(axes: "Axes", name: str, before: Summary, after: Summary) -> None:
    for label, side, place in (("reference", before, -0.2), ("today", after, 0.2)):
        if before.shares:
            names = sorted(before.shares, key=lambda one: -before.shares[one])[:LARGEST]
            axes.bar(np.arange(len(names)) + place, [side.shares.get(one, 0.0) for one in names], 0.4, label=label)
            axes.set_xticks(np.arange(len(names)), names, rotation=60, fontsize="x-small")
        elif side.grid:
            axes.plot(np.linspace(1, 99, 99), side.grid[1:-1], label=label)
            axes.set_xlabel("percentile", fontsize="small")
    axes.set_title(name, fontsize="medium")
    axes.legend(frameon=False, fontsize="small", labelcolor=GREY)


def _draw(count: int, draw: "Callable[[list[Axes]], None]") -> bytes:
    """Figure without pyplot, which keeps figures in memory and may open a display."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    colours = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), GREY)
    # a category such as "$x$" is text and not a formula; one that is no formula would fail the step
    with rc_context({**colours, "text.parse_math": False}):
        columns = 1 if count == 1 else 2
        rows = -(-count // columns)
        figure = Figure(figsize=(9, 4.5 if count == 1 else 3 * rows), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
        for one in axes:
            one.set_facecolor("none")
        for unused in axes[count:]:
            unused.remove()
        draw(axes[:count])
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=120, transparent=True)
    return content.getvalue()


def _picture(content: bytes, alt: str) -> str:
    data = base64.b64encode(content).decode()
    return f'<figure><img alt="{escape(alt)}" src="data:image/png;base64,{data}"></figure>'
