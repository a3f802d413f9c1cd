"""A completion as JSON: one object, or the chunks of a stream."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from orchestrator.server.completion import Call, Choice, Completion

Json = dict[str, Any]

WORD = re.compile(r"\s*\S+|\s+")


def completion_object(completion: Completion) -> Json:
    """The `chat.completion` object."""
    return {
        **_head(completion, "chat.completion"),
        "choices": [_choice(number, choice, completion.legacy) for number, choice in enumerate(completion.choices)],
        "usage": _usage(completion),
    }


def event_stream(completion: Completion, *, usage: bool) -> Iterator[str]:
    """The server-sent events of a streamed completion; with `usage`, one more chunk brings it at the end."""
    head = _head(completion, "chat.completion.chunk")
    if usage:
        head["usage"] = None
    for number, choice in enumerate(completion.choices):
        for delta in _deltas(choice, completion.legacy):
            yield _event({**head, "choices": [_part(number, delta, None)]})
        yield _event({**head, "choices": [_part(number, {}, choice.finish_reason)]})
    if usage:
        yield _event({**head, "choices": [], "usage": _usage(completion)})
    yield "data: [DONE]\n\n"


def _head(completion: Completion, kind: str) -> Json:
    return {
        "id": completion.id,
        "object": kind,
        "created": completion.created,
        "model": completion.model,
        "service_tier": "default",
        "system_fingerprint": completion.fingerprint,
    }


def _choice(number: int, choice: Choice, legacy: bool) -> Json:
    message: Json = {"role": "assistant", "content": choice.content, "refusal": None, "annotations": []}
    if choice.calls and legacy:
        message["function_call"] = _function(choice.calls[0])
    elif choice.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": _function(call)} for call in choice.calls
        ]
    return {"index": number, "message": message, "logprobs": None, "finish_reason": choice.finish_reason}


def _function(call: Call) -> Json:
    return {"name": call.name, "arguments": call.arguments}


def _usage(completion: Completion) -> Json:
    prompt, answer = completion.prompt_tokens, completion.completion_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _deltas(choice: Choice, legacy: bool) -> Iterator[Json]:
    """What a choice is streamed as: first the role, then text or calls word by word."""
    yield {"role": "assistant", "content": None if choice.calls else "", "refusal": None}
    for piece in WORD.findall(choice.content or ""):
        yield {"content": piece}
    for number, call in enumerate(choice.calls):
        if legacy:
            yield {"function_call": {"name": call.name, "arguments": ""}}
        else:
            start = {"index": number, "id": call.id, "type": "function"}
            yield {"tool_calls": [{**start, "function": {"name": call.name, "arguments": ""}}]}
        for piece in WORD.findall(call.arguments):
            part = {"arguments": piece}
            yield {"function_call": part} if legacy else {"tool_calls": [{"index": number, "function": part}]}


def _part(number: int, delta: Json, finish_reason: str | None) -> Json:
    return {"index": number, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _event(chunk: Json) -> str:
    return f"data: {json.dumps(chunk)}\n\n"
