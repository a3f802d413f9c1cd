"""Where rendered text comes from: what a template adds to a row, and what it leaves out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_TAKEN = "\0"
"""In place of each character whose origin is known."""
_ROLES = "system|user|assistant|tool|developer|model|function|ipython"
_ROLE_LINE = re.compile(rf"\A\W*(?:{_ROLES})\W*(?:\n|\Z)")
_WORDS = re.compile(r"[^\W\d_]{2,}[^\w]+[^\W\d_]{2,}")
"""Two words: less is a mark of the format."""
_AROUND = re.compile(r"[\s\[\]{}()<>\",:;/|=]*(?:(?:type|function|name)[\s\[\]{}<>\",:]+)*\Z")
"""What may come before the name of the first function in definitions that are no JSON."""
_NOTATION = ("type", "required", "$ref")
"""Keys of a schema that a template may write in its own words."""
_LONG = 12
"""Characters of a text that is found nowhere else."""

Row = Mapping[str, Any]


def added_texts(spans: Sequence[tuple[str, bool]], row: Row, control: Sequence[str]) -> list[str]:
    """The texts that the model reads and that are not from the row: instructions, a default system message.

    `spans` are rendered texts, each with whether it is learned; `control` are the model's control tokens. Marks of
    the format, which have less than two words, are left out.
    """
    text = "".join(_TAKEN if learned else text for text, learned in spans)
    text, calls, functions = _without_json(text, _called(row), _functions(row))
    for said in _contents(row):
        text = _without(text, said)
    text = _without_definitions(text, functions)
    for token in sorted(control, key=len, reverse=True):
        text = text.replace(token, _TAKEN)
    parts = (_without_role(part) for part in re.split(f"{_TAKEN}+", _without_calls(text, calls)))
    return list(dict.fromkeys(part for part in parts if _WORDS.search(part)))


def dropped_parts(text: str, row: Row) -> list[str]:
    """The parts of a row that are not in its rendered text, for a list: names of messages, parts of definitions.

    Ids of calls and similar keys have no place in a conversation, and are not named.
    """
    names = [
        f"the name of message {number}"
        for number, message in enumerate(_messages(row), 1)
        if message.get("role") in ("system", "developer", "user") and not _holds(text, message.get("name"))
    ]
    missing: dict[str, list[str]] = {}
    for place, key, value in _definition_texts(row):
        if key not in _NOTATION and not _holds(text, value):
            missing.setdefault(key, []).append(place)
    return [*names, *(_missing_text(key, places) for key, places in missing.items())]


def _missing_text(key: str, places: Sequence[str]) -> str:
    more = f", and {len(places) - 1} more" if len(places) > 1 else ""
    return f"{key} of the definitions ({places[0]}{more})"


def _holds(text: str, value: Any) -> bool:
    return not isinstance(value, str) or any(form in text for form in _forms(value.strip()))


# --- The texts of a row ------------------------------------------------------------------------------------------


def _holder(row: Row) -> Row:
    source = row.get("input")
    return source if isinstance(source, Mapping) else row


def _messages(row: Row) -> list[Row]:
    return [*_holder(row)["messages"], *(row.get("preferred_output") or ())]


def _functions(row: Row) -> list[Row]:
    holder = _holder(row)
    listed = [*(holder.get("tools") or ()), *(holder.get("functions") or ())]
    return [each.get("function", each) for each in listed]


def _contents(row: Row) -> Iterator[str]:
    """What the messages say, longest first: a short text may be a part of a longer one."""
    said = []
    for message in _messages(row):
        content = message.get("content") or message.get("refusal")
        parts = content if isinstance(content, list) else [{"text": content}]
        said += [text for part in parts if (text := part.get("text") or part.get("refusal"))]
    yield from sorted((text.strip() for text in said), key=len, reverse=True)


def _called(row: Row) -> list[tuple[str, Row]]:
    """The calls of all messages: names and arguments."""
    calls = [call["function"] for message in _messages(row) for call in message.get("tool_calls") or ()]
    calls += [each["function_call"] for each in _messages(row) if each.get("function_call")]
    return [(call["name"], json.loads(call.get("arguments") or "{}")) for call in calls]


def _definition_texts(row: Row) -> Iterator[tuple[str, str, str]]:
    """Descriptions and other texts of the definitions: the place, the key, and the text."""
    for function in _functions(row):
        yield from _texts_in(function, str(function["name"]), "")


def _texts_in(value: Any, place: str, key: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, str):
        yield place, key, value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _texts_in(each, f"{place}.{name}", name)
    elif isinstance(value, list):
        for each in value:
            yield from _texts_in(each, place, key)


# --- Taking known texts out of the rendered one ------------------------------------------------------------------


def _without(text: str, said: str) -> str:
    """The text with the first place of `said` taken, as it is or as JSON writes it."""
    for form in _forms(said):
        at = text.find(form) if form else -1
        if at >= 0:
            return _taken(text, at, at + len(form))
    return text


def _forms(said: str) -> Iterator[str]:
    yield said
    yield json.dumps(said, ensure_ascii=False)[1:-1]
    yield json.dumps(said)[1:-1]


def _taken(text: str, start: int, end: int) -> str:
    return f"{text[:start]}{_TAKEN * (end - start)}{text[end:]}"


Call = tuple[str, Row]


def _without_json(text: str, calls: Sequence[Call], functions: Sequence[Row]) -> tuple[str, list[Call], list[Row]]:
    """The text without the calls and definitions that it holds as JSON; the other calls and functions."""
    calls, names, found = [*calls], {function["name"] for function in functions}, set[str]()
    for start, end, value in _json_objects(text):
        inner = value.get("function", value)
        call = next((each for each in calls if _is_call(inner, each)), None)
        if call:
            calls.remove(call)
        elif isinstance(inner, dict) and inner.get("name") in names:
            found.add(inner["name"])
        else:
            continue
        text = _taken(text, start, end)
    return text, calls, [function for function in functions if function["name"] not in found]


def _is_call(value: Any, call: Call) -> bool:
    if not isinstance(value, dict) or value.get("name") != call[0]:
        return False
    return call[1] in (value.get("arguments"), value.get("parameters"))


def _without_calls(text: str, calls: Sequence[Call]) -> str:
    """Calls in another notation: from the name to the end of the turn."""
    for name, _ in calls:
        if (at := text.find(name)) >= 0:
            end = text.find(_TAKEN, at)
            text = _taken(text, _start_of_mark(text, at), end if end >= 0 else len(text))
    return text


def _json_objects(text: str) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Each JSON object in the text that is in no other, with where it starts and ends."""
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
            yield at, end, value
        except (ValueError, RecursionError):
            end = at + 1
        at = text.find("{", end)


def _without_definitions(text: str, functions: Sequence[Row]) -> str:
    """Without definitions in another notation: from the first function's name to the last text of the last one."""
    found = [
        (at, at + len(form))
        for function in functions
        for _, key, said in _texts_in(function, "", "")
        if key == "name" or len(said) >= _LONG
        for form in _forms(said)
        if (at := text.find(form)) >= 0
    ]
    if not found:
        return text
    start, end = min(at for at, _ in found), max(at for _, at in found)
    return _taken(text, _start_of_mark(text, start), end)


def _start_of_mark(text: str, at: int) -> int:
    """Where the mark before a function's name begins."""
    before = _AROUND.search(text, 0, at)
    return before.start() if before else at


def _without_role(part: str) -> str:
    return _ROLE_LINE.sub("", part).lstrip(" \n\t]").rstrip(" \n\t[")
