"""The cost of ownership as a plot: US dollars per month over requests per day, both on logarithmic axes."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.dataset.files import new_files
from orchestrator.errors import MatplotlibMissing
from orchestrator.evaluation.ownership import Option, Ownership
from orchestrator.reports.ownership import named
from orchestrator.reports.text import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Distinguishable with colour blindness: M. Okabe and K. Ito, "Color Universal Design", 2008."""
_DASHES = ("--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))
_INK = "#5a6472"
"""The colour of axes and text only, so that a page can replace it."""
_POINTS = 60
_SHORT = 1.5
"""An axis with fewer powers of ten gets more labels."""


def is_installed() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def require_matplotlib() -> None:
    """Raises MatplotlibMissing."""
    if not is_installed():
        raise MatplotlibMissing


def save_plot(ownership: Ownership, path: Path) -> None:
    """Save the plot as SVG or PNG, by the file's extension; an existing file is replaced.

    Raises MatplotlibMissing and OutputUnwritable.
    """
    drawn = _written(ownership, path.suffix.lower().lstrip("."), on_white=True)
    with new_files([path], replace=True) as [stream]:
        stream.write(drawn)


def inline_svg(ownership: Ownership) -> str:
    """The plot as an SVG element in the text colour of the surrounding page. Raises MatplotlibMissing."""
    text = _written(ownership, "svg", on_white=False).decode()
    return text[text.index("<svg") :].replace(_INK, "currentColor")


def _written(ownership: Ownership, kind: str, *, on_white: bool) -> bytes:
    require_matplotlib()
    import matplotlib

    stream = io.BytesIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcParams["svg.fonttype"] = "none"  # text stays text: searchable, and readable by screen readers
        matplotlib.rcParams["svg.hashsalt"] = "ftorch"  # the same plot has the same bytes
        matplotlib.rcParams["text.parse_math"] = False  # a dollar sign in a model's name starts no formula
        warnings.simplefilter("ignore")  # about missing glyphs: they are drawn as boxes
        metadata = {"Date": None} if kind == "svg" else {}
        figure = _figure(ownership)
        figure.savefig(stream, format=kind, dpi=160, transparent=not on_white, metadata=metadata)
    return stream.getvalue()


def _figure(ownership: Ownership) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("requests per day")
    axes.set_ylabel("US dollars per month")
    days = plural(ownership.terms.life_days, "day")
    axes.set_title(f"Prices of {ownership.priced_as}, training spread over {days}", color=_INK, fontsize="medium")
    for number, option in enumerate(ownership.options):
        _draw(axes, ownership, option, number, is_base=number < len(ownership.bases))
    _mark_turning_points(axes, ownership)
    _finish(axes)
    return figure


def _draw(axes: Axes, ownership: Ownership, option: Option, number: int, *, is_base: bool) -> None:
    found = [(x, ownership.usd_per_month(option, x)) for x in _requests(ownership)]
    known = [(x, usd) for x, usd in found if usd is not None]
    if known:
        axes.plot(
            [x for x, _ in known],
            [usd for _, usd in known],
            label=f" {named(option)}",  # matplotlib leaves out labels that start with an underscore
            color=_COLOURS[number % len(_COLOURS)],
            linestyle="-" if is_base else _DASHES[number % len(_DASHES)],
            linewidth=2.5 if is_base else 1.8,
        )


def _mark_turning_points(axes: Axes, ownership: Ownership) -> None:
    low, high = _range(ownership)
    for owned in ownership.owned:
        x = owned.break_even.requests_per_day
        usd = ownership.usd_per_month(owned.option, x) if x is not None else None
        if x is not None and usd is not None and low <= x <= high:
            axes.plot([x], [usd], marker="o", markersize=6, color=_INK, linestyle="none")


def _finish(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        is_short = math.log10(high / low) < _SHORT
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if is_short else (1.0,)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
        axis.label.set_color(_INK)
    axes.grid(visible=True, which="major", color=_INK, alpha=0.25, linewidth=0.6)
    axes.tick_params(which="both", colors=_INK)
    for spine in axes.spines.values():
        spine.set_color(_INK)
    if axes.lines:
        axes.legend(frameon=False, labelcolor=_INK, fontsize="small")


def _range(ownership: Ownership) -> tuple[float, float]:
    """The range of requests per day: the requested ones, extended within limits to show the break-even points."""
    named_ones = ownership.terms.requests_per_day
    low, high = min(named_ones), max(named_ones)
    turns = [each.break_even.requests_per_day for each in ownership.owned]
    near = [turn for turn in turns if turn is not None and low / 100 <= turn <= high * 100]
    return min([low, *(turn / 2 for turn in near)]), max([high, low * 10, *(turn * 2 for turn in near)])


def _requests(ownership: Ownership) -> Sequence[float]:
    low, high = _range(ownership)
    return [low * (high / low) ** (step / (_POINTS - 1)) for step in range(_POINTS)]
