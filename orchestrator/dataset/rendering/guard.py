"""Reads the rendered text back, so that nothing of an example is lost or changed without a word.

Many templates drop what they don't know: calls, tool results, a system message, the definitions of the tools.
Others write arguments as quoted text. What a template dropped is not learned, or not read, and nothing shows it
later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.dataset.rendering.calls import UNTYPED, Parsed, parse_answer
from orchestrator.dataset.rendering.conversation import Message, Tool
from orchestrator.errors import CannotRender, ParserFailed

_THINKING = re.compile(r"\A\s*<think>(.*?)</think>\s*", re.DOTALL)
_SHOWN = 60


def check_answer(answer: str, message: Message, family: str | None, tools: Sequence[Tool] | None) -> None:
    """Check the learned text of a turn, without its stop token. Raises CannotRender with what was lost."""
    calls = [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", ())]
    if calls and family is None:
        _search_calls(answer, calls)
        _require(answer, message["content"], "the text of an assistant message")
        return
    try:
        parsed = parse_answer(answer, family, tools)
    except ParserFailed as error:
        raise CannotRender(kind="lost", reason=f"an answer can't be read back: {error.facts['reason']}") from None
    _compare_calls(parsed, calls, family)
    _compare_content(parsed, message["content"], bool(calls))


def check_context(text: str, messages: Sequence[Message]) -> None:
    """Check that the texts of these messages are in the text rendered for them. Raises CannotRender."""
    for message in messages:
        if message["role"] != "assistant":
            _require(text, message["content"], f"the text of a {message['role']} message")


def check_definitions(text: str, tools: Sequence[Tool], messages: Sequence[Message]) -> None:
    """Check that the names of the tools and of their parameters are in the prompt, more often than messages say
    them. Raises CannotRender."""
    said = "\n".join(_said(messages))
    for tool in tools:
        function = tool["function"]
        for name in (function["name"], *_parameters(function)):
            if text.count(name) <= said.count(name):
                raise CannotRender(
                    kind="tools", reason=f"the template leaves out {name} of the definition of {function['name']}"
                )


def _parameters(function: Mapping[str, Any]) -> Iterator[str]:
    parameters = function.get("parameters")
    properties = parameters.get("properties") if isinstance(parameters, Mapping) else None
    yield from properties if isinstance(properties, Mapping) else ()


def _said(messages: Iterable[Message]) -> Iterator[str]:
    for message in messages:
        yield message["content"]
        for call in message.get("tool_calls", ()):
            yield call["function"]["name"]
            yield json.dumps(call["function"]["arguments"], ensure_ascii=False)


# --- Calls -------------------------------------------------------------------------------------------------------


def _compare_calls(parsed: Parsed, calls: Sequence[tuple[str, Any]], family: str | None) -> None:
    if parsed.problem:
        raise CannotRender(kind="lost", reason=f"an answer can't be read back: {parsed.problem}")
    if len(parsed.calls) != len(calls):
        raise CannotRender(kind="calls", reason=_count_differs(len(parsed.calls), len(calls)))
    for (name, arguments), (expected, given) in zip(parsed.calls, calls, strict=True):
        if name != expected:
            raise CannotRender(kind="lost", reason=f"the call of {expected} reads back as one of {name}")
        if not _same(arguments, given, untyped=family in UNTYPED):
            raise CannotRender(kind="lost", reason=f"the arguments of {name} read back as {_shown(arguments)}")


def _count_differs(found: int, given: int) -> str:
    if not given:
        return "the text of an answer reads back as a call; give it as tool_calls (ftorch data convert)"
    if not found:
        return "the template leaves out the calls of an assistant message"
    return f"the template writes {found} of the {given} calls of an assistant message"


def _same(found: Any, given: Any, *, untyped: bool) -> bool:
    """Whether two values are equal, true and 1 apart; in a format without quotes, whether their texts are."""
    if isinstance(found, dict) and isinstance(given, dict):
        return found.keys() == given.keys() and all(_same(found[k], given[k], untyped=untyped) for k in found)
    if isinstance(found, list) and isinstance(given, list):
        return len(found) == len(given) and all(
            _same(a, b, untyped=False) for a, b in zip(found, given, strict=True)
        )
    if isinstance(found, bool) == isinstance(given, bool) and found == given:
        return True
    return untyped and (isinstance(found, str) or isinstance(given, str)) and _plain(found) == _plain(given)


def _plain(value: Any) -> str:
    """As a format without quotes writes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _search_calls(answer: str, calls: Sequence[tuple[str, Any]]) -> None:
    """For a format that is not known: each name, key and value has to be in the text, call after call."""
    at = 0
    for name, arguments in calls:
        at = answer.find(name, at)
        if at < 0:
            raise CannotRender(kind="calls", reason="the template leaves out the calls of an assistant message")
        for leaf in _leaves(arguments):
            if not any(form in answer[at:] for form in _forms(leaf)):
                raise CannotRender(kind="lost", reason=f"the call of {name} is rendered without {_shown(leaf)}")
        if json.dumps(json.dumps(arguments)) in answer:
            raise CannotRender(kind="lost", reason=f"the arguments of {name} are rendered as quoted text")
        at += len(name)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value if isinstance(value, str) else json.dumps(value)


# --- Texts -------------------------------------------------------------------------------------------------------


def _compare_content(parsed: Parsed, content: str, calls: bool) -> None:
    """The text of an answer has to come back as it was, blanks around it aside; beside calls also as a thought."""
    thinking = _THINKING.match(content)
    spoken = content[thinking.end() :] if thinking else content
    found = parsed.content or ""
    if thinking and thinking[1].strip() not in parsed.thought:
        raise CannotRender(kind="lost", reason="the template leaves out the thoughts in an assistant message")
    if found.strip() == spoken.strip() or (calls and not found and spoken.strip() in parsed.thought):
        return
    if not found:
        raise CannotRender(kind="lost", reason="the template leaves out the text of an assistant message")
    raise CannotRender(kind="lost", reason=f"the text of an answer reads back as {_shown(found)}")


def _require(text: str, said: str, what: str) -> None:
    if not any(form in text for form in _forms(said.strip())):
        raise CannotRender(kind="lost", reason=f"the template leaves out {what}, {_shown(said)}")


def _forms(said: str) -> Iterator[str]:
    """A text as it is, and as JSON writes it."""
    yield said
    yield json.dumps(said, ensure_ascii=False)[1:-1]
    yield json.dumps(said)[1:-1]


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
