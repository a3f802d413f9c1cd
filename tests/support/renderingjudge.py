"""Judges rendered conversations without the code that renders them: an environment of plain Jinja for the prompts,
and for each format of calls a writer that says what an answer has to be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import CallBlock
from jinja2.sandbox import ImmutableSandboxedEnvironment

THOUGHT = r"(?:\s*<think>)?(?:\s*</think>\s*)?"
"""An empty thought, or the end of one that the prompt opens."""


def judge(
    row: Mapping[str, Any],
    pieces: Sequence[tuple[str, bool]],
    family: str | None,
    stops: frozenset[str],
    prompts: Sequence[str],
) -> list[str]:
    """What is wrong with the pieces (text, learned) of a row; `prompts` are the template's own, by learned turn."""
    problems = []
    turns = [i for i, m in enumerate(row["messages"]) if m["role"] == "assistant" and m.get("weight") != 0]
    learned = [text for text, learns in pieces if learns]
    if len(learned) != len(turns):
        return [f"{len(learned)} texts are learned, of {len(turns)} turns"]
    for number, turn in enumerate(turns):
        message, last = row["messages"][turn], number == len(turns) - 1
        if not re.fullmatch(expected(message, family, stops, last=last), learned[number], re.DOTALL):
            problems.append(f"turn {turn} is learned as {learned[number]!r}")
        before = _before(pieces, number)
        if before != prompts[number]:
            problems.append(f"turn {turn} follows {before[-80:]!r}, and serving sends {prompts[number][-80:]!r}")
    return problems + _lost_context(row, pieces)


def _before(pieces: Sequence[tuple[str, bool]], number: int) -> str:
    """All text before a learned one."""
    text, seen = "", 0
    for piece, learns in pieces:
        if learns and seen == number:
            return text
        seen += learns
        text += piece
    return text


def _lost_context(row: Mapping[str, Any], pieces: Sequence[tuple[str, bool]]) -> list[str]:
    """The texts of the row that no context holds, and those that are learned and should not be."""
    context = "".join(text for text, learns in pieces if not learns)
    learned = "".join(text for text, learns in pieces if learns)
    problems = []
    for message in row["messages"]:
        text = message["content"] or ""
        is_answer = message["role"] == "assistant"
        forms = [text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]]
        if not is_answer and not any(form in context for form in forms):
            problems.append(f"{message['role']}'s {text!r} is lost")
        if text and not is_answer and text in learned:
            problems.append(f"{message['role']}'s {text!r} is learned")
        if text and is_answer and message.get("weight") == 0 and (text in learned or text not in context):
            problems.append(f"the answer {text!r} of weight 0 is learned or lost")
    for tool in row.get("tools") or ():
        function = tool["function"]
        for word in (function["name"], function["description"], *function["parameters"]["properties"]):
            if word not in context:
                problems.append(f"{word!r} of a definition is lost")
    return problems


# --- What an answer has to be ------------------------------------------------------------------------------------


def expected(message: Mapping[str, Any], family: str | None, stops: frozenset[str], *, last: bool) -> str:
    """A regular expression for the learned text of a turn."""
    calls = [
        (call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls") or ()
    ]
    content = re.escape((message["content"] or "").strip())
    stop = "|".join(map(re.escape, stops))
    end = f"(?:{stop})" if last else f"(?:{stop})?"  # gpt-oss ends an earlier answer in another token
    return WRITERS[family if calls else None if family not in ("harmony", "atem") else family](content, calls) + end


def _plain(content: str, calls: Sequence[Any]) -> str:
    return rf"{THOUGHT}\s*{content}\s*(?:<\|END_RESPONSE\|>)?"


def _json(value: Any) -> str:
    return re.escape(json.dumps(value, ensure_ascii=False))


def _hermes(content: str, calls: Sequence[tuple[str, Any]]) -> str:
    written = [
        rf'<tool_call>\n\{{"name": "{name}", "arguments": {_json(arguments)}\}}\n</tool_call>'
        for name, arguments in calls
    ]
    return rf"{THOUGHT}\s*{content}\s*" + r"\n".join(written)


def _llama3(content: str, calls: Sequence[tuple[str, Any]]) -> str:
    [(name, arguments)] = calls
    assert not content
    return rf'\{{"name": "{name}", "parameters": {_json(arguments)}\}}'


def _text(value: Any) -> str:
    """As formats without quotes write a value; Python's words for true, false and null in some."""
    if value is None:
        return "(?:null|None)"
    if isinstance(value, bool):
        return "(?:true|True)" if value else "(?:false|False)"
    return re.escape(value) if isinstance(value, str) else _json(value)


def _qwen3_coder(content: str, calls: Sequence[tuple[str, Any]]) -> str:
    written = []
    for name, arguments in calls:
        values = "".join(rf"<parameter={key}>\n{_text(value)}\n</parameter>\n" for key, value in arguments.items())
        written.append(rf"<tool_call>\n<function={name}>\n{values}</function>\n</tool_call>")
    return rf"{THOUGHT}\s*{content}\s*" + r"\n".join(written) + r"\n?"


def _glm(content: str, calls: Sequence[tuple[str, Any]]) -> str:
    written = []
    for name, arguments in calls:
        values = "".join(
            rf"<arg_key>{key}</arg_key>\n<arg_value>{_text(value)}</arg_value>\n"
            for key, value in arguments.items()
        )
        written.append(rf"<tool_call>{name}\n{values}</tool_call>")
    return rf"{THOUGHT}\s*{content}\s*" + r"\n".join(written)


def _lfm2(content: str, calls: Sequence[tuple[str, Any]]) -> str:
    written = []
    for name, arguments in calls:
        pairs = ", ".join(f"{key}={_lfm2_value(value)}" for key, value in arguments.items())
        written.append(rf"{name}\({pairs}\)")
    return content + r"<\|tool_call_start\|>\[" + ", ".join(written) + r"\]<\|tool_call_end\|>"


def _lfm2_value(value: Any) -> str:
    if isinstance(value, str):
        return "'" + re.escape(value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")) + "'"
    return f"(?:{_json(value)}|{re.escape(repr(value))})"


def _gemma4(content: str, calls: Sequence[tuple[str, Any]]) -> str:
    written = [rf"<\|tool_call>call:{name}{_gemma4_value(arguments)}<tool_call\|>" for name, arguments in calls]
    return "".join(written) + content


def _gemma4_value(value: Any) -> str:
    if isinstance(value, dict):
        pairs = (f"{key}:{_gemma4_value(value[key])}" for key in sorted(value, key=str.lower))
        return r"\{" + ",".join(pairs) + r"\}"
    if isinstance(value, list):
        return r"\[" + ",".join(map(_gemma4_value, value)) + r"\]"
    if isinstance(value, str):
        return r'<\|"\|>' + re.escape(value) + r'<\|"\|>'
    return re.escape(json.dumps(value))


def _harmony(content: str, calls: Sequence[tuple[str, Any]]) -> str:
    if not calls:
        return rf"<\|channel\|>final<\|message\|>{content}"
    [(name, arguments)] = calls
    said = rf"<\|channel\|>analysis<\|message\|>{content}<\|end\|><\|start\|>assistant" if content else ""
    return rf"{said} to=functions\.{name}<\|channel\|>commentary json<\|message\|>{_json(arguments)}"


def _atem(content: str, calls: Sequence[tuple[str, Any]]) -> str:
    if not calls:
        return rf" to=user<\|message\|>{content}"
    assert not content
    written = []
    for name, arguments in calls:
        values = "".join(
            rf'<atem:parameter name="{key}">{_text(value)}</atem:parameter>\n' for key, value in arguments.items()
        )
        invoked = rf'<atem:invoke name="{name}">\n{values}</atem:invoke>'
        written.append(rf" to={name}<\|message\|><atem:function_calls>\n{invoked}\n</atem:function_calls>")
    return r"<\|eom\|><\|start\|>assistant".join(written)


WRITERS = {
    None: _plain,
    "hermes": _hermes,
    "llama3": _llama3,
    "qwen3_coder": _qwen3_coder,
    "glm": _glm,
    "lfm2": _lfm2,
    "gemma4": _gemma4,
    "harmony": _harmony,
    "atem": _atem,
}


# --- The template's own prompts and marks ------------------------------------------------------------------------


class _Marks(Extension):
    tags = {"generation"}  # noqa: RUF012 - Jinja's attribute

    def parse(self, parser: Any) -> CallBlock:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return CallBlock(self.call_method("_marked"), [], [], body, lineno=line)

    def _marked(self, caller: Any) -> str:
        return f"\ue000{caller()}\ue001"


def environment() -> ImmutableSandboxedEnvironment:
    """Jinja as transformers sets it up, with generation blocks between U+E000 and U+E001."""
    found = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[_Marks, loopcontrols])
    found.filters["tojson"] = lambda value, ensure_ascii=False, **rest: json.dumps(
        value, ensure_ascii=ensure_ascii, **rest
    )
    found.globals["strftime_now"] = lambda form: f"now as {form}"
    found.globals["raise_exception"] = _fail
    return found


def _fail(message: str) -> None:
    raise ValueError(message)


def as_transformers_takes_it(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Messages with arguments as objects, null content as no text, and names on results."""
    names = {call["id"]: call["function"]["name"] for m in messages for call in m.get("tool_calls") or ()}
    given = []
    for message in messages:
        calls = [
            {**call, "function": {**call["function"], "arguments": json.loads(call["function"]["arguments"])}}
            for call in message.get("tool_calls") or ()
        ]
        plain = {key: value for key, value in message.items() if key not in ("weight", "tool_calls")}
        plain["content"] = plain["content"] or ""
        if message["role"] == "tool":
            plain["name"] = names[message["tool_call_id"]]
        given.append({**plain, **({"tool_calls": calls} if calls else {})})
    return given
