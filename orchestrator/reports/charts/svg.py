"""Charts as SVG, without a script.

Places are in percent of the drawing's width: a narrow screen squeezes the lines and not the letters. Colours
come from classes, which `templates/report.css` defines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil

from orchestrator.reports.charts.chart import Chart, Line, thinned
from orchestrator.reports.charts.parallel import Course, Parallel
from orchestrator.reports.charts.scale import Scale, scale_of
from orchestrator.reports.text import printable

HEIGHT = 240
"""In pixels, of the area between the axes."""
_POINTS = 1_200
"""Of all lines of a chart together: about 11 kB."""
_FEWEST = 24
"""Of one line, however many there are."""
_DOTTED = 30
"""A line of at most this many points has a dot at each."""
_DESCRIBED = 6
_ROOM_FOR_PALE = 0.97
_ACROSS, _UP = 2000, 1000
"""The units of a line's path."""


def chart_svg(chart: Chart) -> str:
    """The chart as an element of a page, as wide as its place. Its legend is `legend`."""
    return _element("chart", chart.title, description(chart), drawing(chart))


def parallel_svg(parallel: Parallel) -> str:
    """The same for parallel coordinates."""
    count = len(parallel.courses)
    text = f"{count} points across {', '.join(printable(each.label) for each in parallel.dimensions)}."
    wide = f"parallel axes-{min(len(parallel.dimensions), 9)}"
    return _element(wide, parallel.title, text, _across(parallel))


def legend(chart: Chart) -> list[tuple[str, str]]:
    """The class and the label of each line that is told apart by a colour, and of the marks."""
    pairs = zip(chart.classes(), chart.lines, strict=True)
    named = [(name, printable(line.label)) for name, line in pairs if line.tone is None and not line.is_pale]
    return [*named, *([("mark", printable(chart.marks_label))] if chart.marks and chart.marks_label else [])]


def _element(classes: str, title: str, description: str, parts: Iterator[str]) -> str:
    head = f"<title>{escape(printable(title))}</title><desc>{escape(printable(description))}</desc>"
    return (
        f'<svg class="{classes}" role="img" width="100%" height="{HEIGHT}" overflow="visible">'
        f"{head}{''.join(parts)}</svg>"
    )


def description(chart: Chart) -> str:
    """For readers who don't see the drawing."""
    found = [f"{line.label}: {_course(line)}" for line in chart.lines if line.known]
    more = f"; and {len(found) - _DESCRIBED} more lines" if len(found) > _DESCRIBED else ""
    return f"{chart.y.label} over {chart.x.label}. {'; '.join(found[:_DESCRIBED])}{more}."


def _course(line: Line) -> str:
    (_, first), (_, last) = line.known[0], line.known[-1]
    place, lowest = min(line.known, key=lambda point: point[1])
    return f"from {first:.4g} to {last:.4g}, lowest {lowest:.4g} at {place:.6g}"


# --- Axes, lines and marks ------------------------------------------------------------------------------------


def drawing(chart: Chart) -> Iterator[str]:
    """Axes, lines and marks, for an `svg` element whose size they fill."""
    x, y = scales(chart)
    yield from _axes(x, y, chart)
    highest = max((y for line in chart.lines for _, y in line.known), default=y.high)
    if highest > y.high:
        place = 'class="note" x="100%" y="-12" text-anchor="end"'
        yield f"<text {place}>single values up to {highest:.4g} are cut off</text>"
    yield from _lines(chart, x, y)
    for mark in chart.marks:
        yield _mark(mark.x, mark.y, mark.label, x, y)


def scales(chart: Chart) -> tuple[Scale, Scale]:
    """The scales of its axes, x and y."""
    x = scale_of((x for line in chart.lines for x, _ in line.known), is_log=chart.x.is_log, is_snug=True)
    return x, scale_of((y for line in chart.lines for y in _heights(line)), is_log=chart.y.is_log)


def _heights(line: Line) -> list[float]:
    """What the axis makes room for: of the single values behind a mean, not the highest few."""
    found = sorted(y for _, y in line.known)
    return found[: ceil(len(found) * _ROOM_FOR_PALE)] if line.is_pale else found


def _axes(x: Scale, y: Scale, chart: Chart) -> Iterator[str]:
    yield '<g class="axes">'
    for tick in y.ticks:
        place = _percent(1 - y.at(tick))
        yield f'<line x1="0" x2="100%" y1="{place}" y2="{place}"/>'
        yield f'<text x="-8" y="{place}" dy="4" text-anchor="end">{y.label(tick)}</text>'
    for tick in x.ticks:
        place = _percent(x.at(tick))
        yield f'<text x="{place}" y="100%" dy="18" text-anchor="{_anchor(x.at(tick))}">{x.label(tick)}</text>'
    yield f'<text class="label" x="0" y="-12">{escape(_named(chart.y.label, y))}</text>'
    right = 'x="100%" y="100%" dy="36" text-anchor="end"'
    yield f'<text class="label" {right}>{escape(_named(chart.x.label, x))}</text>'
    yield "</g>"


def _named(label: str, scale: Scale) -> str:
    return f"{label} (logarithmic)" if scale.is_log else label


def _anchor(place: float) -> str:
    """Numbers at the ends stay inside."""
    return "start" if place < 0.02 else "end" if place > 0.98 else "middle"


def _lines(chart: Chart, x: Scale, y: Scale) -> Iterator[str]:
    most = max(_FEWEST, _POINTS // max(1, len(chart.lines)))
    shown = [
        (name, line, _drawn(line, most, x, y)) for name, line in zip(chart.classes(), chart.lines, strict=True)
    ]
    yield _stretched((_line_class(name, line), line.label, places) for name, line, places in shown)
    for name, line, places in shown:
        if len(line.known) <= (_DOTTED if line.tone is None else 1):
            yield f'<g class="{name}">{"".join(_dot(*place) for place in places)}</g>'


def _drawn(line: Line, most: int, x: Scale, y: Scale) -> list[tuple[float, float]]:
    """Where its points are, from the top left."""
    visible = [(a, b) for a, b in line.known if (a > 0 or not x.is_log) and (b > 0 or not y.is_log)]
    return [(x.at(a), 1 - y.at(b)) for a, b in thinned(visible, most)]


def _stretched(lines: Iterator[tuple[str, str, Sequence[tuple[float, float]]]]) -> str:
    """The lines in a drawing that fills any width and height, though no line gets thicker."""
    paths = "".join(
        f'<path class="{classes}" d="M{" ".join(f"{round(x * _ACROSS)} {round(y * _UP)}" for x, y in places)}">'
        f"<title>{escape(printable(label))}</title></path>"
        for classes, label, places in lines
        if places
    )
    return (
        f'<svg class="lines" width="100%" height="100%" viewBox="0 0 {_ACROSS} {_UP}" preserveAspectRatio="none">'
        f"{paths}</svg>"
    )


def _line_class(name: str, line: Line | Course) -> str:
    is_pale = isinstance(line, Line) and line.is_pale
    return f"{name}{' pale' if is_pale else ''}{' strong' if line.is_strong else ''}"


def _dot(x: float, y: float) -> str:
    return f'<circle cx="{_percent(x)}" cy="{_percent(y)}" r="2.5"/>'


def _mark(at: float, height: float | None, label: str, x: Scale, y: Scale) -> str:
    if not x.low <= at <= x.high:
        return ""
    place, title = _percent(x.at(at)), f"<title>{escape(printable(label))}</title>"
    if height is None:
        return f'<line class="mark" x1="{place}" x2="{place}" y1="0" y2="100%">{title}</line>'
    return f'<circle class="mark" cx="{place}" cy="{_percent(1 - y.at(height))}" r="4.5">{title}</circle>'


def _percent(share: float) -> str:
    return f"{round(share * 100, 2):g}%"


# --- Parallel axes --------------------------------------------------------------------------------------------


def _across(parallel: Parallel) -> Iterator[str]:
    last = max(1, len(parallel.dimensions) - 1)
    yield _stretched(
        (_line_class(f"tone-{each.tone}", each), each.label, _places(parallel, each)) for each in parallel.courses
    )
    yield '<g class="axes">'
    for number, dimension in enumerate(parallel.dimensions):
        share = number / last
        place, anchor = _percent(share), _anchor(share)
        name = escape(printable(dimension.label))
        yield f'<line class="axis" x1="{place}" x2="{place}" y1="0" y2="100%"/>'
        yield f'<text class="label" x="{place}" y="-12" text-anchor="{anchor}">{name}</text>'
        side, beside = ("end", -6) if number == last else ("start", 6)
        for height, label in dimension.ticks:
            spot = f'x="{place}" y="{_percent(1 - height)}" dx="{beside}" dy="4" text-anchor="{side}"'
            yield f'<text class="tick" {spot}>{escape(label)}</text>'
    yield "</g>"


def _places(parallel: Parallel, course: Course) -> list[tuple[float, float]]:
    """Where it crosses the axes that it has a value for."""
    last = max(1, len(parallel.dimensions) - 1)
    heights = [dimension.at(value) for dimension, value in zip(parallel.dimensions, course.values, strict=True)]
    return [(number / last, 1 - height) for number, height in enumerate(heights) if height is not None]
