"""A chart as a PNG file, drawn by matplotlib, which only this needs."""

from __future__ import annotations

import io
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING

from orchestrator.errors import MatplotlibMissing
from orchestrator.reports.charts.chart import Chart, Line
from orchestrator.reports.charts.scale import Scale
from orchestrator.reports.charts.svg import scales
from orchestrator.reports.charts.svgfile import INK, LINES, RULE, SOFT, TONES
from orchestrator.reports.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis


def require_matplotlib() -> None:
    """Raises MatplotlibMissing."""
    if find_spec("matplotlib") is None:
        raise MatplotlibMissing


def png(chart: Chart) -> bytes:
    """The bytes of the file: 1152 × 672 pixels on white. Raises MatplotlibMissing."""
    require_matplotlib()
    import matplotlib
    from matplotlib.figure import Figure

    stream = io.BytesIO()
    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about missing glyphs: they are drawn as boxes
        figure = Figure(figsize=(7.2, 4.2), layout="constrained")
        _draw(chart, figure.add_subplot())
        figure.savefig(stream, format="png", dpi=160)
    return stream.getvalue()


def _draw(chart: Chart, axes: Axes) -> None:
    x, y = scales(chart)
    axes.set_title(printable(chart.title), color=INK, fontsize="medium")
    for name, line in zip(chart.classes(), chart.lines, strict=True):
        _draw_line(axes, name, line)
    for mark in chart.marks:
        if mark.y is None:
            axes.axvline(mark.x, color=SOFT, linestyle=":", linewidth=1)
        else:
            axes.plot([mark.x], [mark.y], "o", color="white", markeredgecolor=INK, markersize=6, zorder=3)
    if x.is_log:
        axes.set_xscale("log")
    if y.is_log:
        axes.set_yscale("log")
    for axis, scale, label in ((axes.xaxis, x, chart.x.label), (axes.yaxis, y, chart.y.label)):
        _draw_axis(axis, scale, label)
    axes.set_xlim(x.low, x.high)
    axes.set_ylim(y.low, y.high)
    axes.grid(visible=True, which="major", axis="y", color=RULE, linewidth=0.6)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(SOFT)
    if any(line.tone is None for line in chart.lines):
        axes.legend(frameon=False, labelcolor=SOFT, fontsize="small")


def _draw_line(axes: Axes, name: str, line: Line) -> None:
    kind, _, number = name.partition("-")
    colour = (TONES if kind == "tone" else LINES)[int(number)]
    label = None if line.is_pale or line.tone is not None else f" {printable(line.label)}"  # not left out: "_…" is
    width = 2.5 if line.is_strong else 0.7 if line.is_pale else 1.5
    places, values = [x for x, _ in line.known], [y for _, y in line.known]
    alone = "." if len(values) == 1 else ""
    axes.plot(places, values, alone, color=colour, label=label, linewidth=width, alpha=0.35 if line.is_pale else 1)


def _draw_axis(axis: Axis, scale: Scale, label: str) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    axis.set_major_locator(FixedLocator(scale.ticks))
    axis.set_major_formatter(FuncFormatter(lambda value, _: scale.label(value)))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    axis.set_label_text(label, color=SOFT)
    axis.set_tick_params(which="both", colors=SOFT)
