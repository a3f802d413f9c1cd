"""A chart as an SVG file, with its title, its legend and its colours."""

from __future__ import annotations

from html import escape

from orchestrator.reports.charts.chart import Chart
from orchestrator.reports.charts.svg import HEIGHT, description, drawing, legend
from orchestrator.reports.text import printable

LINES = ("#0072b2", "#d55e00", "#007a5a", "#a64d85", "#8a6d00", "#3d7fc4", "#5a6472", "#000000")
"""By M. Okabe and K. Ito, "Color Universal Design", 2008, some darkened so that each contrasts 3:1 with white."""
TONES = ("#ccd3e3", "#b9c3df", "#a5b2da", "#8ea1d6", "#738bcf", "#5975c6", "#405fba", "#2849a8", "#12338f")
"""One hue, from what fades into the paper to what stands out: the order shows without colour vision too."""
INK, SOFT, RULE = "#1c2430", "#5a6472", "#d9dee5"
"""Of text, of axes and their numbers, and of the lines at the numbers."""

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 720, 72, 24, 56, 44
_LEGEND, _ROW, _LETTER, _SWATCH = 46, 18, 7, 18
_STYLE = f"""
svg {{ font: 12px system-ui, sans-serif }} text {{ fill: {SOFT} }} .title {{ font-size: 15px; fill: {INK} }}
.paper {{ fill: #fff }} .axes line {{ stroke: {RULE} }}
path {{ fill: none; stroke-width: 1.6; vector-effect: non-scaling-stroke }}
.strong {{ stroke-width: 2.6 }} .pale {{ stroke-width: 1; opacity: 0.35 }}
line.mark {{ stroke: {SOFT}; stroke-dasharray: 2 3 }}
circle.mark {{ fill: #fff; stroke: {INK}; stroke-width: 1.5 }}
"""


def svg_file(chart: Chart) -> str:
    """The chart as the text of a file."""
    rows = _legend_rows(chart)
    top = _TOP + _ROW * len(rows)
    width, height = _WIDTH - _LEFT - _RIGHT, top + HEIGHT + _BOTTOM
    title = escape(printable(chart.title))
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    place = f'x="{_LEFT}" y="{top}" width="{width}" height="{HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{title}</title><desc>{escape(printable(description(chart)))}</desc>",
        f"<style>{_STYLE}{_colours()}</style>",
        f'<rect class="paper" width="{_WIDTH}" height="{height}"/>',
        f'<text class="title" x="{_LEFT}" y="24">{title}</text>',
        *rows,
        f'<svg {place} overflow="visible">{"".join(drawing(chart))}</svg>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _colours() -> str:
    """Without variables, which only browsers know."""
    named = [(f"line-{number}", colour) for number, colour in enumerate(LINES)]
    named += [(f"tone-{number}", colour) for number, colour in enumerate(TONES)]
    return "\n".join(
        f"path.{name} {{ stroke: {colour} }} .{name} circle {{ fill: {colour} }}" for name, colour in named
    )


def _legend_rows(chart: Chart) -> list[str]:
    """Its entries from left to right, in as many rows as they need."""
    rows, x, y = [""], _LEFT, _LEGEND
    for classes, label in legend(chart):
        taken = 2 * _SWATCH + _LETTER * len(label)
        if x > _LEFT and x + taken > _WIDTH - _RIGHT:
            rows, x, y = [*rows, ""], _LEFT, y + _ROW
        swatch = f'<path class="{classes}" d="M{x} {y - 4}h{_SWATCH}"/>'
        if classes == "mark":
            swatch = f'<circle class="mark" cx="{x + _SWATCH // 2}" cy="{y - 4}" r="4.5"/>'
        rows[-1] += f'{swatch}<text x="{x + _SWATCH + 6}" y="{y}">{escape(label)}</text>'
        x += taken
    return [row for row in rows if row]
