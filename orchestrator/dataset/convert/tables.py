"""CSV and Parquet files as flat rows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, BinaryIO

from orchestrator.dataset.checking.formats import COLUMN
from orchestrator.dataset.convert.changes import Changes, NotConvertible
from orchestrator.dataset.convert.documents import Row
from orchestrator.dataset.findings import shown
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.errors import ColumnsUnclear, DataFileUnreadable, ParquetMissing

_DELIMITERS = ",;\t|"
_LONGEST_CELL = 32 << 20
_BATCH_ROWS = 1000


def csv_rows(stream: BinaryIO, path: object, names: ColumnNames) -> Iterator[Row]:
    """The rows under the header; the delimiter is the one of , ; tab | that the header holds most.

    Raises ColumnsUnclear where the header has no column for the prompt, or none for what follows it.
    """
    before = csv.field_size_limit(_LONGEST_CELL)  # it holds for the whole process
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    try:
        first = text.readline(_LONGEST_CELL)
        delimiter = max(_DELIMITERS, key=first.count)
        # Lines in pieces: one without end must not fill the memory.
        lines = chain([first], iter(partial(text.readline, _LONGEST_CELL), ""))
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        header = _header(reader, path)
        _check_columns(header, names, path)
        yield from _csv_rows(reader, header)
    except UnicodeDecodeError:
        raise DataFileUnreadable(path=path, problem="it is not UTF-8 text; save it as UTF-8") from None
    finally:
        csv.field_size_limit(before)
        text.detach()


def _header(reader: Any, path: object) -> list[str]:
    try:
        return next(reader, [])
    except csv.Error as error:
        raise DataFileUnreadable(path=path, problem=f"its first line is not valid CSV ({error})") from None


def _csv_rows(reader: Any, header: list[str]) -> Iterator[Row]:
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(line, None, problem=NotConvertible(f"it is not valid CSV: {error}", "Correct its quotes."))
            continue
        if len(cells) > len(header):
            problem = f"it has {len(cells)} cells, but the header names {len(header)} columns"
            yield Row(line, None, problem=NotConvertible(problem, "Put cells that hold delimiters in quotes."))
        elif any(cells):
            yield Row(line, dict(zip(header, cells, strict=False)))


def parquet_rows(stream: BinaryIO, path: object, names: ColumnNames) -> Iterator[Row]:
    """The rows of a Parquet file, counted from 1; nulls that only fill a struct's missing keys are left out.

    Raises ParquetMissing without pyarrow, ColumnsUnclear, or DataFileUnreadable.
    """
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise ParquetMissing from None
    number = 0
    try:
        table = ParquetFile(stream)
        if "messages" not in table.schema_arrow.names and "conversations" not in table.schema_arrow.names:
            _check_columns(table.schema_arrow.names, names, path)
        for batch in table.iter_batches(batch_size=_BATCH_ROWS):
            for value in batch.to_pylist():
                number += 1
                yield Row(number, _without_fillers(value))
    except ArrowException as error:
        problem = f"it is not a sound Parquet file ({str(error).splitlines()[0]})"
        raise DataFileUnreadable(path=path, problem=problem) from None


def _check_columns(columns: list[str], names: ColumnNames, path: object) -> None:
    if problem := missing_column(columns, names):
        named = len(columns) > 1 and all(map(COLUMN.fullmatch, columns))
        # A first line that names no columns may be of any file: nothing of it is shown.
        listed = (
            ", ".join(shown(column, 40) for column in columns[:30]) if named else f"{len(columns)} without names"
        )
        fix = "Name them with --prompt-column and --call-column (or --answer-column)."
        raise ColumnsUnclear(path=path, problem=problem, columns=listed, fix=fix)


def _without_fillers(value: Any) -> Any:
    """Parquet gives every struct every key; a null there stands for a key that the example never had."""
    if isinstance(value, list):
        return [_without_fillers(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _without_fillers(entry) for key, entry in value.items() if entry is not None}
    return value


# --- Flat rows: a column for the prompt, columns for the call or the answer --------------------------------------


_USUAL: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt", "user", "question", "query", "instruction", "request", "utterance", "input"),
    "call": ("call", "function_call", "tool_call", "tool_calls", "function", "tool"),
    "arguments": ("arguments", "args"),
    "answer": ("answer", "completion", "response", "assistant", "output"),
}
_BARE_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True)
class ColumnNames:
    """Which column holds what. None: the usual names are looked for."""

    prompt: str | None = None
    call: str | None = None
    """A call as JSON, several of them as a JSON array, or the function's name alone."""
    arguments: str | None = None
    """The arguments as JSON, where the call column holds the name alone."""
    answer: str | None = None
    """What is said in text: where there is no call, or beside it."""
    system: str | None = None
    """The text of the system message that every example gets; not a column."""
    keep: tuple[str, ...] = ()
    """Columns that stand in the examples as keys of their own."""


def looks_like_columns(row: Mapping[str, Any], names: ColumnNames) -> bool:
    """True where a row has a column for the prompt and one for what follows it."""
    found = found_columns(row, names)
    return found.prompt is not None and (found.call is not None or found.answer is not None)


def found_columns(columns: Iterable[Any], names: ColumnNames) -> ColumnNames:
    """The names with the usual ones filled in where `columns` has them, whatever their case; None for the rest."""
    spelt = {str(column).strip().lower(): str(column) for column in reversed(list(columns))}
    found: dict[str, Any] = {"system": names.system, "keep": names.keep}
    for part, usual in _USUAL.items():
        given = getattr(names, part)
        found[part] = given or next((spelt[name] for name in usual if name in spelt), None)
    return ColumnNames(**found)


def missing_column(columns: Sequence[str], names: ColumnNames) -> str | None:
    """What keeps a table with these columns from being read; None where nothing does."""
    found = found_columns(columns, names)
    for name in (found.prompt, found.call, found.arguments, found.answer, *found.keep):
        if name is not None and name not in columns:
            return f"there is no column {shown(name)}"
    if found.prompt is None:
        return "no column is named like a prompt"
    if found.call is None and found.answer is None:
        return "no column is named like a call or an answer"
    return None


def example_of_columns(row: Mapping[str, Any], names: ColumnNames, changes: Changes) -> dict[str, Any]:
    """The row as messages. Raises NotConvertible where the prompt, or the call and the answer, are missing."""
    found = found_columns(row, names)
    prompt, answer = _cell(row, found.prompt), _cell(row, found.answer)
    calls = _calls(_cell(row, found.call), _cell(row, found.arguments), found.call)
    if not prompt:
        raise NotConvertible("the prompt is empty", "Fill it in, or take the row out.")
    if not calls and not answer:
        raise NotConvertible("the call and the answer are empty", "Fill one of them in, or take the row out.")
    system = [{"role": "system", "content": names.system}] if names.system else []
    reply = {"role": "assistant", "content": answer or None, **({"tool_calls": calls} if calls else {})}
    more = _kept(row, found, changes)
    changes.note("columns written as messages")
    return {**more, "messages": [*system, {"role": "user", "content": prompt}, reply], **_definitions(row)}


def _cell(row: Mapping[str, Any], column: str | None) -> Any:
    value = row.get(column) if column is not None else None
    return None if isinstance(value, str) and not value.strip() else value


def _calls(call: Any, arguments: Any, column: str | None) -> list[Any]:
    if call is None:
        return []
    if isinstance(call, str) and _BARE_NAME.fullmatch(call.strip()):
        return [{"type": "function", "function": {"name": call.strip(), "arguments": arguments}}]
    try:
        value = parse_json(call) if isinstance(call, str) else call
    except NotJson as error:
        problem = f"the column {column} holds no call: {error.problem}"
        advice = 'Write {"name": "…", "arguments": {…}}, or a function\'s name and the arguments in another column.'
        raise NotConvertible(problem, advice) from None
    listed = value if isinstance(value, list) else [value]
    framed = [entry.get("function_call", entry) if isinstance(entry, dict) else entry for entry in listed]
    return [
        {"type": "function", "function": entry} if isinstance(entry, dict) and "function" not in entry else entry
        for entry in framed
    ]


def _definitions(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in ("tools", "functions") if row.get(key)}


def _kept(row: Mapping[str, Any], found: ColumnNames, changes: Changes) -> dict[str, Any]:
    used = {found.prompt, found.call, found.arguments, found.answer, "tools", "functions", *found.keep}
    for column in row:
        if column not in used:
            changes.note(f"column {shown(column, 24)} left out")
    return {column: row[column] for column in found.keep if column in row}
