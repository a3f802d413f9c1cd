"""Calls whose arguments are each between tags, without quotes: Qwen3-Coder, Nemotron 3, GLM 4.5, Muse Glimmer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from orchestrator.dataset.rendering.formats.reading import BrokenCallError, Call, Found, Schemas, typed

_QWEN_CALL = re.compile(r"(?:<tool_call>\s*)?<function=([^>\n]*)>(.*?)</function>(?:\s*</tool_call>)?", re.DOTALL)
_QWEN_PARAMETER = re.compile(r"<parameter=([^>\n]*)>\n?(.*?)\n?</parameter>", re.DOTALL)
_GLM_CALL = re.compile(r"<tool_call>\s*([^\s<]*)(.*?)</tool_call>", re.DOTALL)
_GLM_PARAMETER = re.compile(r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>", re.DOTALL)
_ATEM_CALL = re.compile(r'<atem:invoke name="([^"]*)">(.*?)</atem:invoke>', re.DOTALL)
_ATEM_PARAMETER = re.compile(r'<atem:parameter name="([^"]*)">(.*?)</atem:parameter>', re.DOTALL)
_ATEM_SEGMENT = re.compile(
    r"(?:<\|start\|>assistant)?\s*(?:to=(\S+?))?<\|message\|>(.*?)(?=<\|eom\|>|<\|eot\|>|\Z)", re.DOTALL
)


def read_qwen3_coder(text: str, schemas: Schemas) -> Found | None:
    """`<tool_call><function=NAME><parameter=KEY>value</parameter></function></tool_call>` (Qwen3-Coder)."""
    if "<function=" not in text:
        return None
    return _found(text, _QWEN_CALL, _QWEN_PARAMETER, "<function=", schemas)


def read_glm(text: str, schemas: Schemas) -> Found | None:
    """`<tool_call>NAME` with `<arg_key>` and `<arg_value>` for each argument (GLM 4.5's template)."""
    if "<tool_call>" not in text:
        return None
    return _found(text, _GLM_CALL, _GLM_PARAMETER, "<tool_call>", schemas)


def read_atem(text: str, schemas: Schemas) -> Found | None:
    """Messages to a recipient, and calls as `<atem:invoke>` in messages to the tool (Muse Glimmer's template)."""
    segments = _ATEM_SEGMENT.findall(text)
    if not segments:
        return None
    content = [body for recipient, body in segments if recipient in ("", "user")]
    thoughts = [body for recipient, body in segments if recipient == "self"]
    called = "".join(body for recipient, body in segments if recipient not in ("", "user", "self"))
    calls: tuple[Call, ...] = ()
    if called:
        calls = _found(called, _ATEM_CALL, _ATEM_PARAMETER, "<atem:invoke", schemas).calls
    return Found("\n".join(content), calls, "\n".join(thoughts))


def _found(text: str, call: re.Pattern[str], parameter: re.Pattern[str], opening: str, schemas: Schemas) -> Found:
    matches = list(call.finditer(text))
    if len(matches) < text.count(opening):
        raise BrokenCallError("a call has no end")
    around, at = [], 0
    for match in matches:
        around.append(text[at : match.start()].strip())
        at = match.end()
    around.append(text[at:].strip())
    calls = tuple(
        _call(name, parameter.findall(body), schemas) for name, body in (each.groups() for each in matches)
    )
    return Found("\n".join(filter(None, around)), calls)


def _call(name: str, pairs: Sequence[tuple[str, str]], schemas: Schemas) -> Call:
    if not name.strip():
        raise BrokenCallError("a call has no name")
    parameters = schemas.get(name.strip(), {})
    arguments: dict[str, Any] = {}
    for key, value in pairs:
        if key in arguments:
            raise BrokenCallError(f"a call of {name} gives {key} twice")
        arguments[key] = typed(value, parameters.get(key))
    return name.strip(), arguments
