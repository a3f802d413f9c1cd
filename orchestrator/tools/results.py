"""A function's result as the JSON text that a model gets: valid, and of bounded size.

Values of numpy and pandas are recognised only if those modules are loaded; neither is imported here.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set, ValuesView
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import singledispatch
from itertools import islice
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_jsonable_python

LONGEST_RESULT = 100_000
"""Characters of a result that a model gets, so that a table returned by mistake can't fill its context."""
MOST_ROWS = 100
"""Rows of a data frame, a series or an array; longer ones keep the first and the last half of this number."""
_MOST_DRAWN = 100_000
"""Elements taken from an iterator, which may never end."""
_CUTS = (1000, 100, 10)
"""Elements that lists and objects keep if the whole is too long."""


def result_text(value: Any) -> str:
    """A string unchanged, anything else as JSON, cut to LONGEST_RESULT characters.

    Not-a-number, NaT and NA become null. Raises TypeError for a value that has no JSON form.
    """
    if isinstance(value, str):
        return _cut_text(_valid(str(value)))
    try:
        plain = _plain(value)
        text = _json(plain)
        for most in _CUTS:
            if len(text) <= LONGEST_RESULT:
                break
            text = _json(_cut(plain, most))
    except RecursionError:
        problem = f"it returned {type(value).__name__}, which contains itself or is nested too deeply"
        raise TypeError(problem) from None
    except _NoJson as error:
        outer, inner = type(value).__name__, str(error)
        what = outer if inner in ("", outer) else f"{outer} with {inner} in it"
        raise TypeError(f"it returned {what}, which can't be written as JSON") from None
    return _cut_text(text)


class _NoJson(Exception):
    """The type without a JSON form."""


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _NoJson from None
    return text


def _valid(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise TypeError("it returned a text that is not valid Unicode") from None
    return text


def _cut_text(text: str) -> str:
    if len(text) <= LONGEST_RESULT:
        return text
    return f"{text[:LONGEST_RESULT]} … (cut: {len(text):,} characters in total)"


def _cut(value: Any, most: int) -> Any:
    """The value with at most `most` elements in each list and object, and the number left out."""
    more = f"… {len(value) - most:,} more" if isinstance(value, list | dict) and len(value) > most else ""
    if isinstance(value, list):
        return [_cut(each, most) for each in value[:most]] + ([more] if more else [])
    if isinstance(value, dict):
        kept = {name: _cut(each, most) for name, each in islice(value.items(), most)}
        return kept | ({"…": more} if more else {})
    return value


# --- Python's own values -----------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """The value in JSON's types. Raises _NoJson."""
    for module, convert in _LIBRARIES.items():
        library = sys.modules.get(module)
        if library is not None and (found := convert(library, value)) is not _NOT_ITS_OWN:
            return found
    return _python(value)


@singledispatch
def _python(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    try:
        return to_jsonable_python(value, inf_nan_mode="strings")  # paths, UUIDs, addresses and the like
    except (PydanticSerializationError, ValueError):
        raise _NoJson(type(value).__name__) from None


@_python.register(bool)
@_python.register(type(None))
def _(value: Any) -> Any:
    return value


@_python.register
def _(value: str) -> str:
    return str(value)


@_python.register
def _(value: int) -> int:
    return int(value)


@_python.register
def _(value: float) -> float | str | None:
    if math.isfinite(value):
        return float(value)
    return None if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"


@_python.register
def _(value: Decimal) -> str | None:
    return None if value.is_nan() else str(value)


@_python.register(bytes)
@_python.register(bytearray)
def _(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"(binary data, {len(value):,} bytes)"


@_python.register(date)
@_python.register(time)
def _(value: date | time) -> str:
    return value.isoformat()


@_python.register
def _(value: timedelta) -> Any:
    return to_jsonable_python(value)


@_python.register
def _(value: Enum) -> Any:
    return _plain(value.value)


@_python.register
def _(value: BaseModel) -> Any:
    try:
        return _plain(value.model_dump(mode="json", by_alias=True))
    except PydanticSerializationError:
        return _plain(value.model_dump(by_alias=True))


@_python.register(Mapping)
def _(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {_key(name): _plain(each) for name, each in value.items()}


@_python.register(Set)
def _(value: Iterable[Any]) -> list[Any]:
    """Sorted if possible: the order of a set differs between processes."""
    found = [_plain(each) for each in value]
    try:
        return sorted(found)
    except TypeError:
        return found


@_python.register(list)
@_python.register(tuple)
@_python.register(Sequence)
def _(value: Sequence[Any]) -> Any:
    if hasattr(value, "_asdict"):  # a named tuple
        return _plain(value._asdict())
    return [_plain(each) for each in value]


@_python.register
def _(value: ValuesView) -> list[Any]:  # type: ignore[type-arg]
    return [_plain(each) for each in value]


@_python.register(Iterator)
def _(value: Iterator[Any]) -> list[Any]:
    found = [_plain(each) for each in islice(value, _MOST_DRAWN)]
    return found + ([f"… cut after {_MOST_DRAWN:,} elements"] if len(found) == _MOST_DRAWN else [])


def _key(name: Any) -> str:
    """A key of a dict, or the name of a column with its levels joined."""
    if isinstance(name, tuple):
        return "/".join(part for each in name if (part := _key(each)))
    plain = _plain(name)
    return plain if isinstance(plain, str) else _json(plain)


# --- numpy and pandas --------------------------------------------------------------------------------------------


_NOT_ITS_OWN = object()


def _numpy(numpy: Any, value: Any) -> Any:
    if isinstance(value, numpy.ndarray):
        return _array(numpy, value)
    if not isinstance(value, numpy.generic) or isinstance(value, float | str | bytes):
        return _NOT_ITS_OWN
    if isinstance(value, numpy.datetime64 | numpy.timedelta64) and numpy.isnat(value):
        return None
    if isinstance(value, numpy.datetime64):
        return _moment(str(value))
    if isinstance(value, numpy.timedelta64):
        found = value.astype("timedelta64[us]").item() if numpy.datetime_data(value)[0] not in "YM" else str(value)
        return _python(found)
    if isinstance(value, numpy.floating):
        return _python(float(str(value)))  # with the digits of its precision: 0.1, not 0.10000000149
    found = value.item()
    return str(found) if isinstance(found, complex | numpy.generic) else _plain(found)


def _array(numpy: Any, value: Any) -> Any:
    if value.ndim == 0:
        return _plain(value.tolist() if isinstance(value, numpy.ma.MaskedArray) else value[()])
    kept, note = _ends(len(value), lambda start, end: [_plain(each) for each in value[start:end]], "elements")
    return {"values": kept, "note": note} if note else kept


def _pandas(pandas: Any, value: Any) -> Any:
    if value is pandas.NaT or value is pandas.NA:
        return None
    if isinstance(value, pandas.Timestamp | pandas.Timedelta):
        return value.isoformat()
    if isinstance(value, pandas.DataFrame):
        return _frame(pandas, value)
    if isinstance(value, pandas.Series):
        return _series(pandas, value)
    if isinstance(value, pandas.Index | pandas.api.extensions.ExtensionArray):
        kept, note = _ends(len(value), lambda start, end: [_plain(each) for each in value[start:end]], "values")
        return {"values": kept, "note": note} if note else kept
    if isinstance(value, pandas.Period | pandas.Interval | pandas.DateOffset):
        return str(value)
    return _NOT_ITS_OWN


_LIBRARIES: Mapping[str, Callable[[Any, Any], Any]] = {"pandas": _pandas, "numpy": _numpy}


def _series(pandas: Any, value: Any) -> Any:
    """A list if the index only counts, an object if its names are unique, else a row for each value."""
    if not _is_counting(pandas, value.index) and not value.index.is_unique:
        return _frame(pandas, value.to_frame(name="value" if value.name is None else value.name))

    def pairs(start: int, end: int) -> list[tuple[str, Any]]:
        part = value.iloc[start:end]
        return [(_key(name), _plain(each)) for name, each in zip(part.index, part.array, strict=True)]

    found, note = _ends(len(value), pairs, "values")
    values = [each for _, each in found] if _is_counting(pandas, value.index) else dict(found)
    return {"values": values, "note": note} if note else values


def _frame(pandas: Any, value: Any) -> Any:
    """An object for each row, keyed by column; the index comes first unless it only counts."""
    levels = [] if _is_counting(pandas, value.index) else list(value.index.names)
    several = len(levels) > 1
    index_names = [
        (f"level_{number}" if several else "index") if name is None else _key(name)
        for number, name in enumerate(levels)
    ]
    columns = _distinct([*index_names, *map(_key, value.columns)])

    def rows(start: int, end: int) -> list[dict[str, Any]]:
        part = value.iloc[start:end]
        cells = [part.index.get_level_values(number) for number in range(len(levels))]
        cells += [part.iloc[:, number].array for number in range(len(part.columns))]
        return [dict(zip(columns, (_plain(each[row]) for each in cells), strict=True)) for row in range(len(part))]

    kept, note = _ends(len(value), rows, "rows")
    return {"rows": kept, "note": note} if note else kept


def _is_counting(pandas: Any, index: Any) -> bool:
    """Whether an index is pandas' default: 0, 1, 2 and so on."""
    return isinstance(index, pandas.RangeIndex) and (index.start, index.step, index.name) == (0, 1, None)


def _distinct(names: Sequence[str]) -> list[str]:
    """The names; repeated ones get a number."""
    found: list[str] = []
    for name in names:
        times = sum(each == name or each.startswith(f"{name} (") for each in found)
        found.append(f"{name} ({times + 1})" if name in found else name)
    return found


def _ends(length: int, part: Callable[[int, int], list[Any]], what: str) -> tuple[list[Any], str]:
    """All rows; of more than MOST_ROWS the first and last ones, with a note."""
    if length <= MOST_ROWS:
        return part(0, length), ""
    half = MOST_ROWS // 2
    note = f"{length:,} {what}: only the first {half} and the last {half} are included"
    return [*part(0, half), *part(length - half, length)], note


def _moment(text: str) -> str:
    """A numpy time without trailing zeros."""
    whole, point, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}{point}{fraction}" if fraction else whole
