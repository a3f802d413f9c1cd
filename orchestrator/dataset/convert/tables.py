"""CSV and Parquet files as flat rows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, BinaryIO

from orchestrator.dataset.checking.formats import COLUMN
from orchestrator.dataset.convert.cells import (
    DEFINITION_KEYS,
    LABEL_KEYS,
    SYSTEM_KEYS,
    ColumnNames,
    definitions_of,
    messages_of,
    refuse_meaning,
    require_good,
    system_text,
    with_system,
)
from orchestrator.dataset.convert.changes import ANSWERS_ADDED, Changes, NotConvertible
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
        _check_columns(table.schema_arrow.names, names, path)
        for batch in table.iter_batches(batch_size=_BATCH_ROWS):
            for value in batch.to_pylist():
                number += 1
                yield Row(number, _without_fillers(value))
    except ArrowException as error:
        problem = f"it is not a valid Parquet file ({str(error).splitlines()[0]})"
        raise DataFileUnreadable(path=path, problem=problem) from None


def _check_columns(columns: list[str], names: ColumnNames, path: object) -> None:
    if not _OTHER_SHAPES.isdisjoint(columns):
        return
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


_OTHER_SHAPES = frozenset(
    (
        "messages",
        "conversations",
        "conversation",
        "contents",
        "chosen",
        "rejected",
        "item",
        "body",
        "request",
        "chat",
    )
)
"""Columns of rows that are recognised one by one, as those of JSON are."""
_USUAL: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt", "user", "question", "query", "instruction", "request", "utterance", "input", "inputs"),
    "call": ("call", "function_call", "tool_call", "tool_calls", "answers", "function", "tool"),
    "arguments": ("arguments", "args"),
    "answer": ("answer", "completion", "response", "assistant", "output", "outputs"),
}
_PYTHON_CALL = re.compile(r"[A-Za-z_][\w.]*\(.*\)", re.DOTALL)
_BARE_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def looks_like_columns(row: Mapping[str, Any], names: ColumnNames) -> bool:
    """True where a row has a column for the prompt and one for what follows it."""
    found = found_columns(row, names)
    answered = found.call is not None or found.answer is not None or found.answer_call is not None
    return found.prompt is not None and answered


def found_columns(columns: Iterable[Any], names: ColumnNames) -> ColumnNames:
    """The names with the usual ones filled in where `columns` has them, whatever their case; None for the rest.

    "input" beside "instruction" is the context, as in Alpaca's format.
    """
    spelt = {str(column).strip().lower(): str(column) for column in reversed(list(columns))}
    decided = {names.context, names.system_column, *names.drop, *names.keep}
    decided |= {names.prompt, names.call, names.arguments, names.answer}
    found: dict[str, Any] = {}
    for part, usual in _USUAL.items():
        free = (spelt[name] for name in usual if name in spelt and spelt[name] not in decided)
        found[part] = getattr(names, part) or next(free, None)
    if names.context is None and "input" in spelt and found["prompt"] == spelt.get("instruction"):
        found["context"] = spelt["input"] if spelt["input"] not in decided else None
    if names.system_column is None:
        systems = (spelt[name] for name in SYSTEM_KEYS if name in spelt and spelt[name] not in decided)
        found["system_column"] = next(systems, None)
    return replace(names, **found)


def missing_column(columns: Sequence[str], names: ColumnNames) -> str | None:
    """What keeps a table with these columns from being read; None where nothing does."""
    found = found_columns(columns, names)
    needed = (
        found.prompt,
        found.call,
        found.arguments,
        found.answer,
        found.context,
        found.system_column,
        *found.keep,
    )
    for name in needed:
        if name is not None and name not in columns:
            return f"there is no column {shown(name)}"
    if found.prompt is None:
        return "no column is named like a prompt"
    if found.call is None and found.answer is None and found.answer_call is None:
        return "no column is named like a call or an answer"
    return None


def example_of_columns(
    row: Mapping[str, Any], names: ColumnNames, changes: Changes, *, keep_good: bool = False
) -> dict[str, Any]:
    """The row as messages. Raises NotConvertible where the prompt, or the call and the answer, are missing, and
    where a column holds what can't be left out without being told; LeftOut for a bad label with `keep_good`."""
    found = found_columns(row, names)
    prompt, answer = _cell(row, found.prompt), _cell(row, found.answer)
    call, tools = _cell(row, found.call), _definitions(row, changes)
    if call is not None and (defined := definitions_of(call, changes)):
        changes.note(f"definitions in column {found.call} read as tools")
        call, tools = None, tools or {"tools": defined}
    calls = _calls(call, _cell(row, found.arguments), found.call)
    if prompt is None:
        raise NotConvertible("the prompt is empty", "Fill it in, or take the row out.")
    if not calls and answer is None and names.answer_call is not None:
        changes.note(ANSWERS_ADDED)
        calls = [{"type": "function", "function": dict(names.answer_call)}]
    if not calls and answer is None:
        advice = "Fill one of them in, take the row out, or give every row a call with --answer-call NAME."
        if tools and "id" in row:
            advice = "Give the file of answers that comes with these questions: --answers FILE."
        raise NotConvertible("the call and the answer are empty", advice)
    label = next(
        (column for column in row if column.lower() in LABEL_KEYS and column not in (*names.drop, *names.keep)),
        None,
    )
    if label is not None and label not in (found.answer, found.prompt, found.context, found.system_column):
        require_good(row[label], label, keep_good=keep_good, changes=changes)
    if tools:
        answer = _call_text(answer)
    messages = [*_asked(row, prompt, found, changes), *_replies(answer, calls, found, changes)]
    key = found.system_column or "system"
    text = system_text(_cell(row, found.system_column), key)
    if text is None and found.system and messages[0].get("role") != "system":
        messages = [{"role": "system", "content": found.system}, *messages]
    messages = with_system(messages, text, key, changes)
    used = {found.prompt, found.call, found.arguments, found.answer, found.context, found.system_column, label}
    history = None if "history" in names.drop or "history" in names.keep else "history"
    declared = "function" if tools and definitions_of(row.get("function"), Changes()) else None
    definitions = {column for column in row if column.lower() in DEFINITION_KEYS}
    refuse_meaning(row, {*used, history, declared, *definitions, *found.keep}, names, changes)
    more = {column: row[column] for column in found.keep if column in row}
    changes.note("columns written as messages")
    return {**more, "messages": messages, **tools}


def _asked(row: Mapping[str, Any], prompt: Any, found: ColumnNames, changes: Changes) -> list[Any]:
    """The messages up to the last request: history, then the prompt with its context."""
    messages = messages_of(_without_seam(prompt, found, changes), "user", found.prompt or "prompt", changes)
    context = _cell(row, found.context)
    if context is not None:
        last = messages[-1]
        if not isinstance(context, str) or not isinstance(last.get("content"), str):
            problem = (
                f"the column {shown(found.context, 40)} can't be put under the prompt: one of them is not text"
            )
            raise NotConvertible(
                problem, f"Write text in both, or leave it out with --drop-column {found.context}."
            )
        changes.note(f"column {shown(found.context, 24)} put under the prompt")
        messages = [*messages[:-1], {**last, "content": f"{last['content']}\n\n{context}"}]
    if "history" in found.drop or "history" in found.keep:
        return messages
    return [*_history(row.get("history"), changes), *messages]


def _history(value: Any, changes: Changes) -> list[Any]:
    """Earlier turns as pairs of a request and its answer, or as messages."""
    if not value:
        return []
    if isinstance(value, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        changes.note("history written as messages")
        return [
            {"role": role, "content": text}
            for pair in value
            for role, text in zip(("user", "assistant"), pair, strict=True)
        ]
    return messages_of(value, "user", "history", changes) if isinstance(value, list) else _no_history()


def _no_history() -> list[Any]:
    problem = 'the column "history" has neither pairs of request and answer nor messages'
    raise NotConvertible(problem, 'Write [["request", "answer"], …], or leave it out with --drop-column history.')


_SEAMS = ("\n\n###\n\n", "\n\n###", " ->", "\n\nAgent:\n")
_STOPS = (" END", "###", "\n")


def _without_seam(prompt: Any, found: ColumnNames, changes: Changes) -> Any:
    """The prompt without the mark that the old prompt and completion format ended it with."""
    if found.answer != "completion" or not isinstance(prompt, str):
        return prompt
    for seam in _SEAMS:
        if prompt.endswith(seam):
            changes.note(f"{shown(seam)} at the end of prompts taken off")
            return prompt.removesuffix(seam)
    return prompt


def _replies(answer: Any, calls: list[Any], found: ColumnNames, changes: Changes) -> list[Any]:
    if isinstance(answer, str) and found.answer == "completion":
        answer = _without_stop(answer, changes)
    if not calls:
        return messages_of(answer, "assistant", found.answer or "answer", changes)
    if answer is not None and not isinstance(answer, str):
        raise NotConvertible("there are both a call and an answer that is not text", "Keep one of them.")
    return [{"role": "assistant", "content": answer, "tool_calls": calls}]


def _call_text(answer: Any) -> Any:
    """Gorilla's answers, which are Python calls one by one, as the text `[f(a=1), g()]` of them all."""
    listed = answer if isinstance(answer, list) else [answer]
    are_calls = all(isinstance(each, str) and _PYTHON_CALL.fullmatch(each.strip()) for each in listed)
    return f"[{', '.join(listed)}]" if listed and are_calls else answer


def _without_stop(text: str, changes: Changes) -> str:
    """A completion of the old format without its leading blank and its stop at the end."""
    if not text.startswith(" "):
        return text
    stop = next((stop for stop in _STOPS if text.endswith(stop)), "")
    kept = text.removesuffix(stop)[1:]
    if not kept.strip():
        return text
    changes.note("blank before completions and stop after them taken off")
    return kept


def _cell(row: Mapping[str, Any], column: str | None) -> Any:
    value = row.get(column) if column is not None else None
    return None if isinstance(value, str) and not value.strip() else value


def _calls(call: Any, arguments: Any, column: str | None) -> list[Any]:
    if call is None:
        return []
    if column == "answers" and not _holds_calls(call):
        advice = "Answer with it with --answer-column answers, or leave it out with --drop-column answers."
        raise NotConvertible('the column "answers" holds no calls', advice)
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


def _holds_calls(value: Any) -> bool:
    """True for calls as JSON; "answers" may also be the name of a column of plain answers."""
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except NotJson:
            return False
    listed = value if isinstance(value, list) else [value]
    return all(isinstance(each, dict) and each.keys() & {"name", "function"} for each in listed)


def _definitions(row: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    found = {key.lower(): row[key] for key in row if key.lower() in ("tools", "functions") and row[key]}
    described = row.get("function_description") or row.get("function")
    if not found and described and (tools := definitions_of(described, changes)):
        return {"tools": tools}
    return found
