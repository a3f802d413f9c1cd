"""Durations and moments as options take them: `2h`, `7d`, `2026-11-01`."""

from __future__ import annotations

import re
import time
from datetime import datetime

import click

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhdw])")
_WHOLE = re.compile(f"(?:{_PART.pattern})+")


def parse_duration(text: str) -> float:
    """The seconds of `90s`, `30m`, `2h`, `1h30m`, `7d` or `2w`, more than none.

    Raises click.BadParameter for anything else.
    """
    if found := _seconds(text):
        return found
    raise click.BadParameter(f'"{text}" is not a duration, such as 90s, 30m, 2h or 7d')


def parse_since(text: str) -> float:
    """Seconds since the epoch: a duration before now, or an ISO 8601 date or time, local unless it has a zone.

    Raises click.BadParameter for anything else.
    """
    if before := _seconds(text):
        return time.time() - before
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        example = "a duration, such as 12h or 7d, nor a date, such as 2026-11-01"
        raise click.BadParameter(f'"{text}" is neither {example}') from None


def _seconds(text: str) -> float:
    """The seconds of a duration; 0 if it is none."""
    written = text.strip().lower()
    if not _WHOLE.fullmatch(written):
        return 0.0
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(written))
