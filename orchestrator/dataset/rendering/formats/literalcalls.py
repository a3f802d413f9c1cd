"""Calls in notations that are no JSON: Python calls (LFM2), and Gemma 4's objects with quoted strings only."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from orchestrator.dataset.rendering.formats.reading import BrokenCallError, Call, Found, Schemas, no_json

_LFM2 = re.compile(r"<\|tool_call_start\|>(.*?)(?:<\|tool_call_end\|>|\Z)", re.DOTALL)
_NAMES = {"true": True, "false": False, "null": None}
_GEMMA = re.compile(r"<\|tool_call>call:([^\s{]*)(.*?)(?:<tool_call\|>|\Z)", re.DOTALL)
_GEMMA_THOUGHT = re.compile(r"<\|channel>thought\n(.*?)<channel\|>", re.DOTALL)
_QUOTE = '<|"|>'
_GEMMA_KEY = re.compile(r"\s*(?:<\|\"\|>(.*?)<\|\"\|>|([^\s:{}\[\],]+))\s*:", re.DOTALL)
_GEMMA_WORD = re.compile(r"[^\s:{}\[\],]+")


def read_lfm2(text: str, schemas: Schemas) -> Found | None:
    """`<|tool_call_start|>[name(key=value, …)]<|tool_call_end|>` (LFM2's model card)."""
    matches = list(_LFM2.finditer(text))
    if not matches:
        return None
    calls = tuple(call for match in matches for call in _python_calls(match[1].strip()))
    return Found(_LFM2.sub("", text).strip(), calls)


def _python_calls(text: str) -> list[Call]:
    try:
        listed = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise BrokenCallError(f"the calls are not written as in Python: {error.msg}") from None
    if not isinstance(listed, ast.List):
        raise BrokenCallError("the calls are not a list")
    return [_python_call(each) for each in listed.elts]


def _python_call(node: ast.expr) -> Call:
    if not isinstance(node, ast.Call) or node.args or any(each.arg is None for each in node.keywords):
        raise BrokenCallError("a call does not name each of its arguments")
    return ast.unparse(node.func), {str(each.arg): _literal(each.value) for each in node.keywords}


def _literal(node: ast.expr) -> Any:
    """The value of a literal; lists and objects may be written as JSON."""
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, str | int | float)):
        return node.value
    if isinstance(node, ast.Name) and node.id in _NAMES:
        return _NAMES[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _literal(node.operand)
        if isinstance(value, int | float):
            return -value
    if isinstance(node, ast.List | ast.Tuple):
        return [_literal(each) for each in node.elts]
    if isinstance(node, ast.Dict) and all(key is not None for key in node.keys):
        return {
            str(_literal(key)): _literal(value) for key, value in zip(node.keys, node.values, strict=True) if key
        }
    raise BrokenCallError("an argument is not a plain value")


# --- Gemma 4 -----------------------------------------------------------------------------------------------------


def read_gemma4(text: str, schemas: Schemas) -> Found | None:
    """`<|tool_call>call:NAME{key:value,…}<tool_call|>`, where only strings are quoted (Gemma 4's template)."""
    thoughts = "\n".join(_GEMMA_THOUGHT.findall(text)).strip()
    spoken = _GEMMA_THOUGHT.sub("", text).removesuffix("<|tool_response>")
    matches = list(_GEMMA.finditer(spoken))
    if not matches:
        return Found(spoken.strip(), (), thoughts) if thoughts else None
    calls = tuple((match[1], _Gemma(match[2]).whole()) for match in matches)
    return Found(_GEMMA.sub("", spoken).strip(), calls, thoughts)


class _Gemma:
    """Reads one object in Gemma 4's notation."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def whole(self) -> dict[str, Any]:
        value = self._value()
        if not isinstance(value, dict) or self._text[self._at :].strip():
            raise BrokenCallError("the arguments are not one object")
        return value

    def _value(self) -> Any:
        if self._takes("{"):
            return self._object()
        if self._takes("["):
            return self._list()
        if self._takes(_QUOTE):
            end = self._text.find(_QUOTE, self._at)
            if end < 0:
                raise BrokenCallError("a string has no end")
            value, self._at = self._text[self._at : end], end + len(_QUOTE)
            return value
        return self._word()

    def _object(self) -> dict[str, Any]:
        value: dict[str, Any] = {}
        while not self._takes("}"):
            key = _GEMMA_KEY.match(self._text, self._at)
            if key is None:
                raise BrokenCallError("an argument has no name")
            self._at = key.end()
            value[key[1] if key[1] is not None else key[2]] = self._value()
            self._ends("}")
        return value

    def _list(self) -> list[Any]:
        value = []
        while not self._takes("]"):
            value.append(self._value())
            self._ends("]")
        return value

    def _ends(self, closing: str) -> None:
        if not self._takes(",") and not self._text.startswith(closing, self._at):
            raise BrokenCallError(f"a value is not followed by , or {closing}")

    def _word(self) -> Any:
        word = _GEMMA_WORD.match(self._text, self._at)
        if word is None:
            raise BrokenCallError("a value is missing")
        self._at = word.end()
        if word[0] in _NAMES:
            return _NAMES[word[0]]
        try:
            return json.loads(word[0], parse_constant=no_json)
        except json.JSONDecodeError:
            raise BrokenCallError(f"{word[0]} is no value") from None

    def _takes(self, text: str) -> bool:
        while self._text[self._at : self._at + 1].isspace():
            self._at += 1
        if not self._text.startswith(text, self._at):
            return False
        self._at += len(text)
        return True
