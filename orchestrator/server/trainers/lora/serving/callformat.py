"""How a model writes calls, as its template renders them.

Nothing is known of families here: an answer with one call and one with two are rendered, and what is around the
name and the arguments is the format. So the grammar holds a model to the very text that it was trained on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.errors import CannotRender

if TYPE_CHECKING:
    from orchestrator.dataset.rendering.renderer import Renderer

_SEPARATORS = ((", ", ": "), (",", ":"), (",", ": "), (", ", ":"))
_NAMES = ("probe_one", "probe_two")
_ARGUMENTS = ({"first": 1, "second": ["a", "b"]}, {"first": 2, "second": ["c", "d"]})
_TEXT = "An answer in words."
_WORD = re.compile(r"[^\s{\"]+")


@dataclass(frozen=True)
class CallFormat:
    """The text around the calls of one answer: `opening NAME before_arguments ARGUMENTS closing`.

    A further call follows `between` in place of `closing`.
    """

    opening: str
    before_arguments: str
    between: str | None
    """None where the template takes one call only."""
    closing: str
    separators: tuple[str, str]
    """Between items, and between a key and its value."""
    marker: str | None
    """What no answer contains before its first call, such as <tool_call>; None where a call begins like JSON."""

    @property
    def after_marker(self) -> str:
        """What follows the marker up to the first name."""
        return self.opening if self.marker is None else self.opening.partition(self.marker)[2]


def special_tokens(folder: Path) -> dict[str, int]:
    """The tokens that are never text, with their numbers, of a model's folder. Raises OSError and ValueError."""
    added = json.loads((folder / "tokenizer.json").read_bytes()).get("added_tokens", ())
    return {each["content"]: each["id"] for each in added if each.get("special")}


def call_format(renderer: Renderer, special: Collection[str]) -> CallFormat | None:
    """The format of a model's calls, with these special tokens; None if arguments are not written as JSON text."""
    text, one = _answer(renderer, {"content": _TEXT}), _answer(renderer, _calls(1))
    if text is None or one is None:
        return None
    for separators in _SEPARATORS:
        single = _split(one, 1, separators)
        if single is not None:
            opening, before, closing = single
            lead = text.partition(_TEXT)[0]
            between = _between(_answer(renderer, _calls(2)), separators, single)
            return CallFormat(opening, before, between, closing, separators, _marker(opening, lead, special))
    return None


def _answer(renderer: Renderer, message: Mapping[str, Any]) -> str | None:
    """What the model learns to write for this message, without the stop token; None if that can't be rendered."""
    asked = [{"role": "user", "content": "A question."}, {"role": "assistant", **message}]
    try:
        rendered = renderer.supervised({"messages": asked, "tools": [_tool(name) for name in _NAMES]})
    except CannotRender:
        return None
    text = "".join(span.text for span in rendered.spans if span.learned)
    last = next(
        (token for token, learned in zip(rendered.ids[::-1], rendered.learned[::-1], strict=True) if learned), -1
    )
    return text.removesuffix(renderer.decode([last])) if last in renderer.stop_tokens else text


def _calls(count: int) -> dict[str, Any]:
    return {"content": None, "tool_calls": [_call(number) for number in range(count)]}


def _call(number: int) -> dict[str, Any]:
    # Mistral's templates take an id of nine letters or digits only.
    function = {"name": _NAMES[number], "arguments": json.dumps(_ARGUMENTS[number])}
    return {"id": "probe0001", "type": "function", "function": function}


def _tool(name: str) -> dict[str, Any]:
    items = {"type": "array", "items": {"type": "string"}}
    properties = {"first": {"type": "integer"}, "second": items}
    parameters = {"type": "object", "properties": properties, "required": ["first", "second"]}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}


def _split(text: str, calls: int, separators: tuple[str, str]) -> list[str] | None:
    """What is around names and arguments, in order; None if one of them is missing or written twice."""
    written = [each for n in range(calls) for each in (_NAMES[n], json.dumps(_ARGUMENTS[n], separators=separators))]
    parts = []
    for each in written:
        before, found, text = text.partition(each)
        if not found or each in text:
            return None
        parts.append(before)
    return [*parts, text]


def _between(two: str | None, separators: tuple[str, str], single: Sequence[str]) -> str | None:
    parts = _split(two, 2, separators) if two is not None else None
    if parts is None:
        return None
    opening, before, between, before_second, closing = parts
    return between if [opening, before, closing] == [*single] and before == before_second else None


def _marker(opening: str, lead: str, special: Collection[str]) -> str | None:
    start = opening.removeprefix(lead).lstrip()
    token = max((each for each in special if start.startswith(each)), key=len, default=None)
    if token is not None:
        return token
    word = _WORD.match(start)
    if word is None:
        return None
    return start if word[0].isalnum() else word[0]
