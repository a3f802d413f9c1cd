"""Documents for a browser: sections, which the page of `ftorch ui` shows too, and whole self-contained files.

Whatever files, endpoints and models say is text in it, never markup. There is no script and no inline style:
`templates/report.css` says how each class looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from pathlib import Path

from orchestrator.evaluation.metrics import Proportion
from orchestrator.reports.charts.chart import Chart
from orchestrator.reports.charts.parallel import Parallel
from orchestrator.reports.charts.svg import chart_svg, legend, parallel_svg
from orchestrator.reports.comparison import share
from orchestrator.reports.documents.document import (
    Block,
    Code,
    Document,
    Folded,
    Paragraph,
    Section,
    Shares,
    Timeline,
)
from orchestrator.reports.table import Link, Meaning, Table, escaped
from orchestrator.reports.text import plural, printable

LARGEST = 2_000_000
"""In bytes, of a file."""
_ROW_LIMITS = (1000, 500, 200, 100, 50, 20, 10)
STYLES = Path(__file__).parents[1] / "templates" / "report.css"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def section_html(section: Section, link: Link | None = None, *, is_live: bool = False) -> str:
    """The section as an element whose id is its key. `link` turns what cells name into addresses.

    With `is_live`, each chart carries its points in `data-chart`, for a script that draws it in place of the SVG.
    """
    return _Writer(link, is_live).section(section)


def page(document: Document) -> str:
    """The document as a file that needs nothing else, of at most 2 MB.

    Where it would be larger, long tables are cut and say so.
    """
    for limit in _ROW_LIMITS:
        text = _page(document, limit)
        if len(text.encode()) <= LARGEST:
            break
    return text


def head_html(document: Document) -> str:
    """What a page shows above the sections: title, models, lead and warnings."""
    models = "".join(
        f"<div><dt>{escaped(label)}</dt><dd>{escaped(model)}</dd></div>" for label, model in document.models
    )
    lines = [
        f"<h1>{escaped(document.title)}</h1>",
        f'<dl class="models">{models}</dl>' if models else "",
        f'<p class="lead">{escaped(document.lead)}</p>' if document.lead else "",
        *(f'<p class="warn">{escaped(warning)}</p>' for warning in document.warnings),
    ]
    return "\n".join(filter(None, lines))


def _page(document: Document, most_rows: int) -> str:
    writer = _Writer(None, False, most_rows)
    sections = "\n".join(map(writer.section, document.sections))
    written = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="color-scheme" content="light dark">
<title>{escape(printable(document.title))}</title>
<style>
{STYLES.read_text(encoding="utf-8")}</style>
</head>
<body>
<main class="document">
{head_html(document)}
{sections}
<p class="note">Written by ftorch {escape(version("ftorch"))} on {written}.</p>
</main>
</body>
</html>
"""


@dataclass(frozen=True)
class _Writer:
    """Writes blocks; tables have at most `most_rows`."""

    link: Link | None = None
    is_live: bool = False
    most_rows: int | None = None

    def section(self, section: Section) -> str:
        key = escape(section.key)
        head = f'<h2 id="{key}-title">{escaped(section.title)}</h2>'
        blocks = "\n".join(self.block(block, section.title) for block in section.blocks)
        return f'<section id="{key}" aria-labelledby="{key}-title">\n{head}\n{blocks}\n</section>'

    def block(self, block: Block, title: str) -> str:
        """`title` names what is around the block, for screen readers."""
        match block:
            case Table():
                return self.table(block, title)
            case Chart():
                return self.chart(block)
            case Parallel():
                drawn = f'<div class="scroll" role="region" tabindex="0">{parallel_svg(block)}</div>'
                return _figure(block.title, drawn, "")
            case Timeline():
                return _timeline(block)
            case Shares():
                return _shares(block)
            case Code():
                return f'<pre class="scroll" tabindex="0"><code>{_lines(block.text)}</code></pre>'
            case Paragraph():
                return f"<p{_class(block.meaning)}>{escaped(block.text)}</p>"
            case Folded():
                inner = "\n".join(self.block(each, block.summary) for each in block.blocks)
                opened = " open" if block.is_open else ""
                return f"<details{opened}>\n<summary>{escaped(block.summary)}</summary>\n{inner}\n</details>"

    def table(self, table: Table, title: str) -> str:
        heading = f"<h3>{escaped(table.title)}</h3>\n" if table.title and table.title != title else ""
        shown = self._cut(table)
        drawn = replace(shown, notes=()).to_html(has_caption=False, link=self.link)
        notes = "".join(f'\n<p class="note">{escaped(note)}</p>' for note in shown.notes)
        if not table.has_headings:
            return f"{heading}{drawn}{notes}"
        name = escape(printable(table.title or title))
        return (
            f'{heading}<div class="scroll" role="region" aria-label="{name}" tabindex="0">\n{drawn}\n</div>{notes}'
        )

    def _cut(self, table: Table) -> Table:
        if self.most_rows is None or len(table.rows) <= self.most_rows:
            return table
        left = plural(len(table.rows) - self.most_rows, "further row")
        note = f"{left} left out to keep this file small; the same report as .json has every one."
        return replace(table, rows=table.rows[: self.most_rows], notes=[*table.notes, note])

    def chart(self, chart: Chart) -> str:
        if chart.is_empty:
            return ""
        keys = "".join(f'<li class="{name}">{escaped(label)}</li>' for name, label in legend(chart))
        below = f'<ul class="legend" aria-hidden="true">{keys}</ul>' if len(legend(chart)) > 1 else ""
        points = f' data-chart="{escape(chart.to_json())}"' if self.is_live else ""
        return _figure(chart.title, f"{chart_svg(chart)}{below}", points)


def _figure(title: str, drawn: str, attributes: str) -> str:
    return f'<figure class="chart"{attributes}>\n<figcaption>{escaped(title)}</figcaption>\n{drawn}\n</figure>'


def _timeline(timeline: Timeline) -> str:
    steps = []
    for each in timeline.moments:
        at = datetime.fromtimestamp(each.at, UTC)
        time = f'<time datetime="{at.isoformat(timespec="seconds")}">{at:%Y-%m-%d %H:%M:%S} UTC</time>'
        lasted = f' <span class="muted">{escaped(each.lasted)}</span>' if each.lasted else ""
        state = f"<strong>{escaped(each.state.text)}</strong>{lasted}"
        steps.append(f"<li{_class(each.state.meaning)}>{state}<p>{escaped(each.reason)}</p>{time}</li>")
    return f'<ol class="timeline">\n{chr(10).join(steps)}\n</ol>'


def _shares(block: Shares) -> str:
    low = " (low is good)" if block.is_better_low else ""
    rows = "\n".join(_share_row(name, found) for name, found in block.shares)
    return f'<div class="shares">\n<h3>{escaped(block.title)}{low}</h3>\n<dl>\n{rows}\n</dl>\n</div>'


def _share_row(name: str, found: Proportion) -> str:
    figure = f'<dt>{escaped(name)}</dt><dd class="figure">{escaped(share(found))}</dd>'
    return f'<div class="share">{figure}<dd class="drawn">{"".join(_bar(found))}</dd></div>'


def _bar(found: Proportion) -> Iterator[str]:
    """The interval as a band, the share as a mark on it."""
    yield '<svg class="bar" width="100%" height="14" overflow="visible" aria-hidden="true">'
    yield '<rect width="100%" height="100%"/>'
    if interval := found.interval:
        width = (interval.high - interval.low) * 100
        yield f'<rect class="span" x="{interval.low * 100:.1f}%" width="{width:.1f}%" height="100%"/>'
        place = f"{interval.value * 100:.1f}%"
        yield f'<line class="value" x1="{place}" x2="{place}" y1="0" y2="100%"/>'
    yield "</svg>"


def _lines(text: str) -> str:
    return "\n".join(escape(printable(line)) for line in text.splitlines())


def _class(meaning: Meaning) -> str:
    return f' class="{meaning}"' if meaning else ""
