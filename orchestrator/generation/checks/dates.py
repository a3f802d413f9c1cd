"""Dates, times of day and durations in requests, in their common spellings."""

from __future__ import annotations

import re
from collections.abc import Iterator

Day = tuple[int, int, int]
"""Year, month, day."""
Time = tuple[int, int]
"""Hour, minute."""

_MONTHS: dict[str, int] = {
    word: number
    for names in (
        "january february march april may june july august september october november december",
        "jan feb mar apr may jun jul aug sep oct nov dec",
        "januar februar marz april mai juni juli august september oktober november dezember",
        "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro dezembro",
        "januari februari maart april mei juni juli augustus september oktober november december",
    )
    for number, word in enumerate(names.split(), 1)
} | {"sept": 9}
_MONTH = rf"(?P<month>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?"
_OF = r"(?:of |de |di |del )?"
_YEAR_FIRST = re.compile(r"\b(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
_YEAR_LAST = re.compile(r"(?<!\d)(\d{1,2})(?P<mark>[-/.] ?)(\d{1,2})(?P=mark)(\d{4}|\d{2})(?!\d)")
_DAY_MONTH = re.compile(
    rf"(?<!\d)(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|\.|º)? {_OF}{_MONTH},? {_OF}(?P<year>\d{{4}})\b"
)
_MONTH_DAY = re.compile(rf"\b{_MONTH} (?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? (?:of )?(?P<year>\d{{4}})\b")
_CLOCK = re.compile(r"(?<![\d:])(\d{1,2})[:h](\d{2})(?::\d{2}(?:\.\d+)?)?(?!\d)(?: ?([ap])\.?m\b)?")
_HOUR = re.compile(r"(?<![\d:.,])(\d{1,2})(?: ?([ap])\.?m\b| ?o'?clock\b| ?(?:uhr|heures?|h|uur)\b)")
_PAST = re.compile(r"\b(half|quarter|\d{1,2})(?: minutes)? (past|to) (\d{1,2})\b")
_DURATION = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?"
)
_SECONDS = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}


def days_in(plain: str) -> set[Day]:
    """The full dates in a folded text with digits; `5/6/2026` is read both ways."""
    return set(_days_in(plain))


def _days_in(plain: str) -> Iterator[Day]:
    for match in _YEAR_FIRST.finditer(plain):
        yield int(match[1]), int(match[2]), int(match[3])
    for match in _YEAR_LAST.finditer(plain):
        year = int(match[4]) + (2000 if len(match[4]) == 2 else 0)
        yield year, int(match[3]), int(match[1])
        yield year, int(match[1]), int(match[3])
    for pattern in (_DAY_MONTH, _MONTH_DAY):
        for match in pattern.finditer(plain):
            yield int(match["year"]), _MONTHS[match["month"]], int(match["day"])


def times_in(plain: str) -> set[Time]:
    """The times of day in a folded text with digits; without am or pm, hours up to 12 are read both ways."""
    return set(_times_in(plain))


def _times_in(plain: str) -> Iterator[Time]:
    for match in _CLOCK.finditer(plain):
        yield from _readings(int(match[1]), int(match[2]), match[3])
    for match in _HOUR.finditer(plain):
        yield from _readings(int(match[1]), 0, match[2])
    for match in _PAST.finditer(plain):
        minutes = {"half": 30, "quarter": 15}.get(match[1]) or int(match[1])
        hour = int(match[3])
        yield from _readings(hour, minutes, None) if match[2] == "past" else _readings(hour - 1, 60 - minutes, None)
    if re.search(r"\b(?:noon|midday|mittag|midi|mediodia|mezzogiorno|meio-dia)\b", plain):
        yield 12, 0
    if re.search(r"\b(?:midnight|mitternacht|minuit|medianoche|mezzanotte|meia-noite)\b", plain):
        yield 0, 0


def _readings(hour: int, minute: int, half: str | None) -> Iterator[Time]:
    if half:
        yield hour % 12 + (12 if half == "p" else 0), minute
    else:
        yield hour, minute
        if hour <= 12:
            yield (hour + 12) % 24, minute


def day_of(value: str) -> Day | None:
    """The day of an ISO 8601 date or date-time; None for anything else."""
    match = re.match(r"(\d{4})-(\d{2})-(\d{2})(?=$|[Tt ])", value)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def time_of(value: str) -> Time | None:
    """The time of an ISO 8601 time or date-time, without seconds; None for anything else."""
    match = re.search(r"(?:^|[Tt ])(\d{2}):(\d{2})(?::\d{2}(?:\.\d+)?)?(?:[Zz]|[+-]\d{2}:\d{2})?$", value)
    return (int(match[1]), int(match[2])) if match else None


def seconds_of(value: str) -> int | None:
    """The length of an ISO 8601 duration without months and years; None for anything else."""
    match = _DURATION.fullmatch(value)
    if match is None or not any(match.groupdict().values()):
        return None
    return sum(int(count) * _SECONDS[unit] for unit, count in match.groupdict().items() if count)
