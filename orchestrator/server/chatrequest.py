"""Reads a chat completion request, with the rules of the official description."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.server.apierror import ApiError, bad_request
from orchestrator.server.requests import Fields

MAX_CHOICES = 128
MAX_TOKENS = 1 << 31
MAX_STOPS = 4

WITHOUT_EFFECT = frozenset(
    {
        "frequency_penalty",
        "logit_bias",
        "metadata",
        "moderation",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "safety_identifier",
        "seed",
        "service_tier",
        "store",
        "temperature",
        "top_p",
        "user",
        "verbosity",
    }
)
"""Taken and without effect: the answer is always the most probable one."""
HEEDED = frozenset(
    {
        "model",
        "messages",
        "n",
        "max_tokens",
        "max_completion_tokens",
        "stop",
        "stream",
        "stream_options",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "functions",
        "function_call",
        "modalities",
        "response_format",
        "logprobs",
        "top_logprobs",
        "audio",
        "web_search_options",
    }
)


@dataclass(frozen=True)
class ChatRequest:
    """One request, checked."""

    model: str
    messages: Sequence[Mapping[str, Any]]
    offer: Offer
    n: int
    max_tokens: int | None
    stops: Sequence[str]
    stream: bool
    stream_usage: bool


def read(body: Mapping[str, Any]) -> ChatRequest:
    """The request; ApiError 400 names the parameter that is wrong or not offered here."""
    fields = Fields(body)
    fields.only(HEEDED | WITHOUT_EFFECT)
    fields.required("model", "messages")
    _refuse_what_is_missing_here(fields)
    _check_sampling(fields)
    stream = fields.flag("stream") or False
    return ChatRequest(
        model=fields.text("model") or "",
        messages=read_messages(fields),
        offer=read_offer(fields),
        n=fields.integer("n", 1, MAX_CHOICES) or 1,
        max_tokens=_max_tokens(fields),
        stops=_stops(fields),
        stream=stream,
        stream_usage=_stream_usage(fields, stream),
    )


def _refuse_what_is_missing_here(fields: Fields) -> None:
    """A client that asks for these could not use an answer without them, so it is told."""
    asked = {
        "logprobs": fields.flag("logprobs") or fields.given("top_logprobs"),
        "response_format": (fields.raw("response_format") or {"type": "text"}) != {"type": "text"},
        "modalities": (fields.raw("modalities") or ["text"]) != ["text"],
        "audio": fields.given("audio"),
        "web_search_options": fields.given("web_search_options"),
    }
    for param, refused in asked.items():
        if refused:
            message = (
                f"'{param}' is not available on the local endpoint: its models answer with text and calls only."
            )
            raise bad_request(message, param, "unsupported_parameter")


def _check_sampling(fields: Fields) -> None:
    fields.number("temperature", 0, 2)
    fields.number("top_p", 0, 1)
    fields.number("frequency_penalty", -2, 2)
    fields.number("presence_penalty", -2, 2)
    fields.integer("seed", -(2**63), 2**63 - 1)


def _max_tokens(fields: Fields) -> int | None:
    older = fields.integer("max_tokens", 1, MAX_TOKENS)
    newer = fields.integer("max_completion_tokens", 1, MAX_TOKENS)
    if older is not None and newer is not None:
        raise fields.wrong("max_tokens", "cannot be set beside 'max_completion_tokens'")
    return newer if older is None else older


def _stops(fields: Fields) -> Sequence[str]:
    stop = fields.raw("stop")
    stops = [stop] if isinstance(stop, str) else fields.items("stop") or []
    if len(stops) > MAX_STOPS:
        raise fields.wrong("stop", f"may have at most {MAX_STOPS} sequences")
    if not all(isinstance(one, str) for one in stops):
        raise fields.wrong_type("stop", "a string or an array of strings")
    return [one for one in stops if one]


def _stream_usage(fields: Fields, stream: bool) -> bool:
    options = fields.table("stream_options")
    if options is None:
        return False
    if not stream:
        raise fields.wrong("stream_options", "can be set only when 'stream' is true")
    options.only(("include_usage", "include_obfuscation"))
    return options.flag("include_usage") or False


# --- Checks the messages of a chat request: shapes, and that every tool result answers a call -----------------


ROLES = ("developer", "system", "user", "assistant", "tool", "function")
TEXT_PARTS = ("text", "refusal")


def read_messages(fields: Fields) -> Sequence[Mapping[str, Any]]:
    """The request's messages with their content as one text; ApiError 400 at the first that is wrong."""
    messages = fields.tables("messages")
    if not messages:
        raise fields.wrong("messages", "must hold at least one message")
    open_calls: set[str] = set()
    read = []
    for message in messages:
        role = _role(message)
        if role == "tool":
            _answer_call(message, open_calls)
        elif open_calls:
            raise _unanswered(message, open_calls)
        if role == "assistant":
            open_calls = _calls(message)
        read.append(_with_text(message, role))
    if open_calls:
        raise _unanswered(messages[-1], open_calls)
    return read


def _role(message: Fields) -> str:
    message.required("role")
    role = message.choice("role", ROLES) or ""
    message.text("name")
    if role == "function":
        message.required("name")
    return role


def _answer_call(message: Fields, open_calls: set[str]) -> None:
    message.required("tool_call_id")
    call_id = message.text("tool_call_id") or ""
    if call_id not in open_calls:
        problem = "answers no call of the assistant message before it"
        raise message.wrong("tool_call_id", f"{call_id[:100]!r} {problem}")
    open_calls.remove(call_id)


def _unanswered(message: Fields, open_calls: set[str]) -> ApiError:
    named = ", ".join(sorted(open_calls))
    text = f"An assistant message with 'tool_calls' must be followed by a tool message for each; missing: {named}."
    return bad_request(text, message.param("role"), "invalid_value")


def _calls(message: Fields) -> set[str]:
    """The ids of the calls this message makes."""
    found = set()
    for call in message.tables("tool_calls"):
        call.required("id", "function")
        call.choice("type", ("function",))
        _check_call(call, "function")
        found.add(call.text("id") or "")
    if message.given("function_call"):
        _check_call(message, "function_call")
    return found


def _check_call(holder: Fields, key: str) -> None:
    call = holder.table(key)
    if call is not None:
        call.required("name")
        call.text("name")
        if not isinstance(call.raw("arguments"), str):
            raise call.wrong_type("arguments", "a string that holds JSON")


def _with_text(message: Fields, role: str) -> Mapping[str, Any]:
    calls = message.raw("tool_calls") or message.raw("function_call") or message.raw("refusal")
    if not calls:
        message.required("content")
    content = message.raw("content")
    if isinstance(content, list):
        content = "\n".join(_part(part) for part in message.tables("content"))
    elif content is not None and not isinstance(content, str):
        raise message.wrong_type("content", "a string or an array of parts")
    return {**message.as_mapping(), "role": role, "content": content}


def _part(part: Fields) -> str:
    part.required("type")
    kind = part.text("type") or ""
    if kind not in TEXT_PARTS:
        problem = f"is {kind[:50]!r}; the local endpoint's models read text only"
        raise part.wrong("type", problem, "unsupported_value")
    value = part.raw(kind)
    if not isinstance(value, str):
        raise part.wrong_type(kind, "a string")
    return value


# --- Reads which functions a chat request offers, and which of them must be called ----------------------------


MAX_TOOLS = 128
FUNCTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
MODES = ("none", "auto", "required")


@dataclass(frozen=True)
class Offer:
    """What the model may call, and whether it must: one forced by name is the only one left, and required."""

    functions: Sequence[Mapping[str, Any]] = ()
    choice: str = "none"
    parallel: bool = True
    legacy: bool = False
    """Whether `functions` were sent, which wants a `function_call` in the answer."""


def read_offer(fields: Fields) -> Offer:
    """The functions and the choice among them; ApiError 400 where they do not fit."""
    if fields.given("functions"):
        if fields.given("tools"):
            raise fields.wrong("functions", "cannot be set beside 'tools'")
        return _legacy_offer(fields)
    functions = [_function(tool) for tool in fields.tables("tools")]
    _check_number(fields, "tools", functions)
    if not functions:
        for key in ("tool_choice", "parallel_tool_calls"):
            if fields.given(key) and fields.raw(key) != "none":
                raise fields.wrong(key, "can be set only where 'tools' are")
        return Offer()
    parallel = fields.flag("parallel_tool_calls")
    return _chosen(fields, Offer(functions, "auto", parallel is not False))


def _legacy_offer(fields: Fields) -> Offer:
    functions = [_checked(function) for function in fields.tables("functions")]
    _check_number(fields, "functions", functions)
    if not functions:
        raise fields.wrong("functions", "must hold at least one function")
    choice = fields.raw("function_call")
    if choice is None or choice in ("none", "auto"):
        return Offer(functions, choice or "auto", parallel=False, legacy=True)
    name = _named(fields.table("function_call"))
    forced = _only(fields, "function_call", functions, [name])
    return Offer(forced, "required", parallel=False, legacy=True)


def _chosen(fields: Fields, offer: Offer) -> Offer:
    choice = fields.raw("tool_choice")
    if choice is None:
        return offer
    if isinstance(choice, str):
        return Offer(offer.functions, fields.choice("tool_choice", MODES) or "auto", offer.parallel)
    table = fields.table("tool_choice") or Fields({})
    table.required("type")
    if table.choice("type", ("function", "allowed_tools")) == "function":
        name = _named(table.table("function"))
        forced = _only(fields, "tool_choice", offer.functions, [name])
        return Offer(forced, "required", offer.parallel)
    table.required("allowed_tools")
    return _allowed(fields, table.table("allowed_tools") or Fields({}), offer)


def _allowed(fields: Fields, allowed: Fields, offer: Offer) -> Offer:
    allowed.required("mode", "tools")
    mode = allowed.choice("mode", ("auto", "required")) or "auto"
    # The guides show the name beside the type, the description's example inside `function`.
    names = [_named(tool.table("function") or tool) for tool in allowed.tables("tools")]
    return Offer(_only(fields, "tool_choice", offer.functions, names), mode, offer.parallel)


def _only(
    fields: Fields, key: str, functions: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> Sequence[Mapping[str, Any]]:
    known = {function["name"]: function for function in functions}
    for name in names:
        if name not in known:
            raise fields.wrong(key, f"names {name[:64]!r}, which is not among the functions sent")
    return [known[name] for name in names]


def _function(tool: Fields) -> Mapping[str, Any]:
    tool.required("type")
    if tool.text("type") != "function":
        message = "The local endpoint's models call functions only."
        raise bad_request(message, tool.param("type"), "unsupported_value")
    tool.required("function")
    return _checked(tool.table("function") or Fields({}))


def _checked(function: Fields) -> Mapping[str, Any]:
    function.required("name")
    if not FUNCTION_NAME.fullmatch(function.text("name") or ""):
        raise function.wrong("name", "must be up to 64 letters, digits, underscores and hyphens")
    if not isinstance(function.raw("description") or "", str):
        raise function.wrong_type("description", "a string")
    function.table("parameters")
    return {key: value for key, value in function.as_mapping().items() if value is not None}


def _named(table: Fields | None) -> str:
    table = table or Fields({}, "tool_choice.function")
    table.required("name")
    return table.text("name") or ""


def _check_number(fields: Fields, key: str, functions: Sequence[Mapping[str, Any]]) -> None:
    if len(functions) > MAX_TOOLS:
        raise fields.wrong(key, f"may hold at most {MAX_TOOLS} functions, not {len(functions)}")
