"""Reads a chat completion request, with the rules of the official description."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    TypeAdapter,
    model_validator,
)

from orchestrator.server.requests import INVALID_TYPE, MISSING, WHOLE, Body, OpenBody, Text, parse, text_or, wrong

MAX_CHOICES = 128
MAX_TOKENS = 1 << 31
MAX_STOPS = 4
MAX_TOOLS = 128
FUNCTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class ChatRequest:
    """One request, checked."""

    model: str
    messages: Sequence[Mapping[str, Any]]
    """As sent, but with their content as one text."""
    offer: Offer
    n: int
    max_tokens: int | None
    temperature: float
    top_p: float
    seed: int | None
    stops: Sequence[str]
    stream: bool
    stream_usage: bool


@dataclass(frozen=True)
class Offer:
    """What the model may call, and whether it must: a function forced by name is the only one left, and
    required."""

    functions: Sequence[Mapping[str, Any]] = ()
    choice: str = "none"
    parallel: bool = True
    legacy: bool = False
    """Whether `functions` were sent, so that the answer has a `function_call`."""


def read(body: Mapping[str, Any]) -> ChatRequest:
    """The request; ApiError 400 names the parameter that is wrong or not supported."""
    asked = parse(ChatBody, body)
    sent = zip(body["messages"], asked.messages, strict=True)
    return ChatRequest(
        model=asked.model,
        messages=[{**message, "content": checked.text} for message, checked in sent],
        offer=asked.offer,
        n=asked.n,
        max_tokens=asked.max_completion_tokens or asked.max_tokens,
        temperature=asked.temperature or 0.0,
        top_p=1.0 if asked.top_p is None else asked.top_p,
        seed=asked.seed,
        stops=[stop for stop in asked.stop or () if stop],
        stream=asked.stream,
        stream_usage=asked.stream_options is not None and asked.stream_options.include_usage,
    )


# --- Messages -------------------------------------------------------------------------------------------------


class Part(OpenBody):
    """A part of a message's content."""

    type: Text
    text: str | None = None
    refusal: str | None = None

    @property
    def content(self) -> str:
        return (self.text if self.type == "text" else self.refusal) or ""

    @model_validator(mode="after")
    def _holds_text(self) -> Part:
        if self.type not in ("text", "refusal"):
            problem = f"is {self.type[:50]!r}; the local endpoint's models read text only"
            raise wrong(problem, "type", code="unsupported_value")
        if (self.text if self.type == "text" else self.refusal) is None:
            raise wrong("must be a string", self.type, code=INVALID_TYPE)
        return self


class Called(OpenBody):
    """The function that a call names."""

    name: Text
    arguments: str


class Call(OpenBody):
    """A call in an assistant message."""

    id: Text
    function: Called
    type: Literal["function"] = "function"


_PARTS = TypeAdapter(Annotated[list[Part], Field(fail_fast=True)])


def _text_or_parts(content: object) -> str | list[Part]:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise wrong("must be a string or an array of parts", code=INVALID_TYPE)
    return _PARTS.validate_python(content)


class Message(OpenBody):
    """One message of the conversation."""

    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    name: Text | None = None
    tool_call_id: Text | None = None
    tool_calls: Annotated[list[Call] | None, Field(fail_fast=True)] = None
    function_call: Called | None = None
    refusal: Any = None
    content: Annotated[str | list[Part] | None, PlainValidator(_text_or_parts)] = None

    @property
    def text(self) -> str | None:
        """The content as one text."""
        if self.content is None or isinstance(self.content, str):
            return self.content
        return "\n".join(part.content for part in self.content)

    @model_validator(mode="after")
    def _is_complete(self) -> Message:
        if self.role == "function" and self.name is None:
            raise wrong("", "name", code=MISSING)
        if self.role == "tool" and self.tool_call_id is None:
            raise wrong("", "tool_call_id", code=MISSING)
        if self.content is None and not (self.tool_calls or self.function_call or self.refusal):
            raise wrong("", "content", code=MISSING)
        return self


def _calls_are_answered(messages: list[Message]) -> list[Message]:
    """Every call is followed by its result, and every result answers a call."""
    open_calls: set[str] = set()
    for number, message in enumerate(messages):
        if message.role == "tool":
            call_id = message.tool_call_id or ""
            if call_id not in open_calls:
                problem = f"{call_id[:100]!r} answers no call of the assistant message before it"
                raise wrong(problem, number, "tool_call_id")
            open_calls.remove(call_id)
        elif open_calls:
            raise wrong(_unanswered(open_calls), number, "role")
        if message.role == "assistant":
            open_calls = {call.id for call in message.tool_calls or ()}
    if open_calls:
        raise wrong(_unanswered(open_calls), len(messages) - 1, "role")
    return messages


def _unanswered(open_calls: set[str]) -> str:
    named = ", ".join(sorted(open_calls))
    return f"follows 'tool_calls', each of which must be answered by a tool message; missing: {named}"


# --- Functions, and the choice between them -------------------------------------------------------------------


def _is_function_name(name: str) -> str:
    if not FUNCTION_NAME.fullmatch(name):
        raise wrong("must be up to 64 letters, digits, underscores and hyphens")
    return name


class Function(OpenBody):
    """An offered function; undeclared fields are passed on as well."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[str, AfterValidator(_is_function_name)]
    description: str | None = None
    parameters: dict[str, Any] | None = None

    def definition(self) -> dict[str, Any]:
        return {name: value for name, value in self if value is not None}


def _is_function(kind: str) -> str:
    if kind != "function":
        raise wrong("must be 'function'; the local endpoint's models call nothing else", code="unsupported_value")
    return kind


class Tool(OpenBody):
    """An offered tool."""

    type: Annotated[str, AfterValidator(_is_function)]
    function: Function


class Named(OpenBody):
    """A function chosen by name. The guides put the name next to the type, the reference inside `function`."""

    name: Text | None = None
    function: Named | None = None

    @property
    def called(self) -> str:
        return self.function.called if self.function is not None else self.name or ""

    @model_validator(mode="after")
    def _has_a_name(self) -> Named:
        if not self.called:
            raise wrong("", "name", code=MISSING)
        return self


class AllowedTools(OpenBody):
    """Some of the offered functions."""

    mode: Literal["auto", "required"]
    tools: Annotated[list[Named], Field(fail_fast=True)]


class ToolChoice(OpenBody):
    """Which functions the model may call, or the one that it must call."""

    type: Literal["function", "allowed_tools"]
    function: Named | None = None
    allowed_tools: AllowedTools | None = None

    @model_validator(mode="after")
    def _names_functions(self) -> ToolChoice:
        if self.type == "function" and self.function is None:
            raise wrong("", "function", "name", code=MISSING)
        if self.type == "allowed_tools" and self.allowed_tools is None:
            raise wrong("", "allowed_tools", code=MISSING)
        return self

    def narrowed(self, offer: Offer) -> Offer:
        """The functions left to choose from."""
        if self.function is not None and self.type == "function":
            return Offer(_only([self.function], offer), "required", offer.parallel)
        assert self.allowed_tools is not None
        return Offer(_only(self.allowed_tools.tools, offer), self.allowed_tools.mode, offer.parallel)


def _only(named: Sequence[Named], offer: Offer, field: str = "tool_choice") -> Sequence[Mapping[str, Any]]:
    known = {function["name"]: function for function in offer.functions}
    for each in named:
        if each.called not in known:
            raise wrong(f"names {each.called[:64]!r}, which is not among the functions sent", field)
    return [known[each.called] for each in named]


# --- The whole body -------------------------------------------------------------------------------------------


class StreamOptions(Body):
    """Additional contents of a stream."""

    include_usage: bool = False
    include_obfuscation: Any = None


def _as_list(stop: object) -> object:
    if isinstance(stop, str):
        return [stop]
    if not isinstance(stop, list) or not all(isinstance(each, str) for each in stop):
        raise wrong("must be a string or an array of strings", code=INVALID_TYPE)
    return stop


Functions = Annotated[list[Function], Field(min_length=1, max_length=MAX_TOOLS, fail_fast=True)]


class ChatBody(Body):
    """POST /chat/completions."""

    model: Text
    messages: Annotated[list[Message], Field(min_length=1, fail_fast=True), AfterValidator(_calls_are_answered)]

    n: Annotated[int, Field(ge=1, le=MAX_CHOICES), WHOLE] = 1
    max_tokens: Annotated[int | None, Field(ge=1, le=MAX_TOKENS), WHOLE] = None
    max_completion_tokens: Annotated[int | None, Field(ge=1, le=MAX_TOKENS), WHOLE] = None
    stop: Annotated[list[str] | None, Field(max_length=MAX_STOPS), BeforeValidator(_as_list)] = None
    stream: bool = False
    stream_options: StreamOptions | None = None

    tools: Annotated[list[Tool] | None, Field(max_length=MAX_TOOLS, fail_fast=True)] = None
    tool_choice: Annotated[str | ToolChoice | None, text_or(ToolChoice, "none", "auto", "required")] = None
    parallel_tool_calls: bool | None = None
    functions: Functions | None = None
    function_call: Annotated[str | Named | None, text_or(Named, "none", "auto")] = None

    # Without a temperature the answer is the most probable one. `tiny` has no other.
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Annotated[float | None, Field(ge=0, le=1)] = None
    seed: Annotated[int | None, Field(ge=-(2**63), le=2**63 - 1), WHOLE] = None

    # Checked, but without effect.
    frequency_penalty: Annotated[float | None, Field(ge=-2, le=2)] = None
    presence_penalty: Annotated[float | None, Field(ge=-2, le=2)] = None

    # Accepted unchecked, and without effect.
    logit_bias: Any = None
    metadata: Any = None
    moderation: Any = None
    prediction: Any = None
    prompt_cache_key: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    reasoning_effort: Any = None
    safety_identifier: Any = None
    service_tier: Any = None
    store: Any = None
    user: Any = None
    verbosity: Any = None

    # Not supported: a client that asks for these could not use an answer without them.
    logprobs: bool = False
    top_logprobs: Any = None
    response_format: Any = None
    modalities: Any = None
    audio: Any = None
    web_search_options: Any = None

    _offer: Offer = PrivateAttr()

    @property
    def offer(self) -> Offer:
        return self._offer

    @model_validator(mode="after")
    def _fits_together(self) -> ChatBody:
        self._refuse_what_is_missing_here()
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise wrong("cannot be set together with 'max_completion_tokens'", "max_tokens")
        if self.stream_options is not None and not self.stream:
            raise wrong("can be set only when 'stream' is true", "stream_options")
        self._offer = self._read_offer() if self.functions is None else self._read_legacy_offer(self.functions)
        return self

    def _refuse_what_is_missing_here(self) -> None:
        asked = {
            "logprobs": self.logprobs or self.top_logprobs is not None,
            "response_format": (self.response_format or {"type": "text"}) != {"type": "text"},
            "modalities": (self.modalities or ["text"]) != ["text"],
            "audio": self.audio is not None,
            "web_search_options": self.web_search_options is not None,
        }
        for param, is_refused in asked.items():
            if is_refused:
                problem = "is not available on the local endpoint, whose models answer with text and calls only"
                raise wrong(problem, param, code="unsupported_parameter")

    def _read_offer(self) -> Offer:
        if not self.tools:
            for name in ("tool_choice", "parallel_tool_calls"):
                if getattr(self, name) not in (None, "none"):
                    raise wrong("can be set only where 'tools' are", name)
            return Offer()
        functions = [tool.function.definition() for tool in self.tools]
        offer = Offer(functions, "auto", self.parallel_tool_calls is not False)
        if isinstance(self.tool_choice, ToolChoice):
            return self.tool_choice.narrowed(offer)
        return offer if self.tool_choice is None else replace(offer, choice=self.tool_choice)

    def _read_legacy_offer(self, functions: Sequence[Function]) -> Offer:
        if self.tools:
            raise wrong("cannot be set together with 'tools'", "functions")
        definitions = [function.definition() for function in functions]
        offer = Offer(definitions, "auto", parallel=False, legacy=True)
        if isinstance(self.function_call, Named):
            return replace(offer, functions=_only([self.function_call], offer, "function_call"), choice="required")
        return offer if self.function_call is None else replace(offer, choice=self.function_call)
