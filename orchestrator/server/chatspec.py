"""Reads a chat completion request, with the rules of the official description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.server.apierror import bad_request
from orchestrator.server.fields import Fields
from orchestrator.server.messages import read_messages
from orchestrator.server.offers import Offer, read_offer

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
