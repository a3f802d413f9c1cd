"""Numbers, times and texts as people read them."""

from __future__ import annotations

import os
import re
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import IO, Any, cast

from rich.console import Console

_BLOCKS = "▁▂▃▄▅▆▇█"


def printable(text: str) -> str:
    """The text on one line, without control characters: what comes from outside must not steer a terminal."""
    return "".join(
        character if unicodedata.category(character) not in ("Cc", "Cf", "Cs") else " " for character in text
    )


def shown_path(path: str) -> str:
    """The path from the current folder where it is below it."""
    start = f"{os.getcwd()}{os.sep}"
    return path.removeprefix(start)


def money(usd: float | None) -> str:
    """`unknown` for None: an unknown price is never shown as nothing."""
    if usd is None:
        return "unknown"
    return f"${usd:,.4f}" if 0 < usd < 0.01 else f"${usd:,.2f}"


def count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"


def plural(number: int, noun: str) -> str:
    """`1 line`, `2,000 lines`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def percent(share: float | None) -> str:
    """`74 %` of a share between 0 and 1."""
    return "–" if share is None else f"{share * 100:.0f} %"


def loss(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:.2e}"


def duration(seconds: float) -> str:
    """`48 s`, `3:07`, `2:05:11`, `3 d 04:10`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24:02}:{rest // 60:02}"
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def ago(then: float, now: float) -> str:
    """`just now`, `5 min ago`, `3 h ago`, `2 d ago`."""
    seconds = now - then
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now"


def ending(day: date | None, today: date) -> str:
    """`ends in 47 days`, `ends tomorrow`, `ends today`, `ended 3 days ago`; "" for None."""
    if day is None:
        return ""
    days = (day - today).days
    if days < 0:
        return f"ended {plural(-days, 'day')} ago"
    return f"ends in {plural(days, 'day')}" if days > 1 else "ends tomorrow" if days else "ends today"


def clock(then: float) -> str:
    """The local time of day."""
    return datetime.fromtimestamp(then).strftime("%H:%M:%S")


def moment(then: float) -> str:
    """The local date and time."""
    return datetime.fromtimestamp(then).strftime("%Y-%m-%d %H:%M:%S")


def iso(then: float | None) -> str | None:
    """ISO 8601 in UTC, for programs."""
    return None if then is None else datetime.fromtimestamp(then, UTC).isoformat(timespec="milliseconds")


def sparkline(values: Sequence[float | None], width: int) -> str:
    """The course of the known values in at most `width` blocks, scaled between their lowest and highest."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    columns = _means(known, min(width, len(known)))
    low, high = min(columns), max(columns)
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BLOCKS[round((value - low) * scale)] for value in columns)


def _means(values: Sequence[float], columns: int) -> list[float]:
    bounds = [round(index * len(values) / columns) for index in range(columns + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(bounds)]


# --------------------------------------------------------------------------------------------------------------
# Where reports go: results to stdout, progress to stderr; colour only on a terminal and without NO_COLOR.


_WIDTH_WITHOUT_TERMINAL = 140


def stdout() -> Console:
    return _console(stderr=False)


def stderr() -> Console:
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    file = None if stream.isatty() else cast("IO[str]", _Trimmed(stream))
    width = None if stream.isatty() or "COLUMNS" in os.environ else _WIDTH_WITHOUT_TERMINAL
    return _Whole(stderr=stderr, file=file, width=width, highlight=False, markup=False, emoji=False)


class _Whole(Console):
    """Cuts nothing off: a terminal continues a longer line below, and a pipe gets the whole line."""

    def print(self, *objects: Any, crop: bool = False, **options: Any) -> None:
        super().print(*objects, crop=crop, **options)


class _Trimmed:
    """A stream without the blanks that pad the last column of a table."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(re.sub(" +(?=\n)", "", text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def wrapped(text: str, console: Console, *, indent: str = "", hanging: str = "    ") -> list[str]:
    """The lines of a text on a terminal; one line elsewhere, so that other programs can take it apart."""
    if not console.is_terminal:
        return [f"{indent}{text}"]
    return textwrap.wrap(
        text,
        console.width,
        initial_indent=indent,
        subsequent_indent=f"{indent}{hanging}",
        break_long_words=False,
        break_on_hyphens=False,
    )


def print_wrapped(
    text: str, console: Console, *, indent: str = "  ", hanging: str = "  ", style: str | None = None
) -> None:
    """Print a text as `wrapped` breaks it."""
    for line in wrapped(text, console, indent=indent, hanging=hanging):
        console.print(line, soft_wrap=True, style=style)


# --- The parameters of a trial as people read them ------------------------------------------------------------


_SHORT = {
    "n_epochs": "epochs",
    "batch_size": "batch",
    "learning_rate_multiplier": "rate",
    "learning_rate": "rate",
    "lora_rank": "rank",
    "lora_alpha": "alpha",
    "lora_dropout": "dropout",
}
"""Names for places where there is no room for a key of the job file."""


def value(given: float | str) -> str:
    """`3`, `0.125`, `auto`."""
    return f"{given:.4g}" if isinstance(given, float) else as_set(given)


def as_set(given: Any) -> str:
    """A setting as a job file or a host has it: `auto`, `8`, `true`, `q_proj v_proj`."""
    if isinstance(given, list):
        return printable(" ".join(map(str, given)))
    return printable(str(given).lower() if isinstance(given, bool) else str(given))


def listed(parameters: Mapping[str, float | str]) -> str:
    """`n_epochs 3, learning_rate_multiplier 0.5`."""
    return ", ".join(f"{name} {value(given)}" for name, given in parameters.items())


def short(parameters: Mapping[str, float | str], repeat: int = 0) -> str:
    """`epochs 3, rate 0.5`, and `epochs 3, rate 0.5 #2` for the second training of the same."""
    said = ", ".join(f"{_SHORT.get(name, name)} {value(given)}" for name, given in parameters.items())
    return f"{said} #{repeat + 1}" if repeat else said


def heading(name: str, is_wide: bool) -> str:
    """The name of a parameter over a column of its values."""
    return name.replace("_multiplier", "_\nmultiplier") if is_wide else _SHORT.get(name, name)


def varied(points: Iterable[Mapping[str, float | str]]) -> list[str]:
    """Every parameter that these points give, in the order in which they give them."""
    return list(dict.fromkeys(name for point in points for name in point))
