"""Rows inside another object: evals items, Batch requests, logged requests with their responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.dataset.convert.cells import IMAGE_KEYS, SYSTEM_KEYS, messages_of
from orchestrator.dataset.convert.changes import Changes, NotConvertible
from orchestrator.dataset.convert.langchain import opened_run
from orchestrator.dataset.findings import named_type

_REQUESTS = ("request", "body", "kwargs", "inputs")
_RESPONSES = ("response", "outputs", "output", "completion")

_CARRIED = ("tools", "functions", "parallel_tool_calls", "label", *SYSTEM_KEYS, *IMAGE_KEYS)
"""Keys of the outer object that belong to the example."""


def has_envelope(row: Mapping[str, Any]) -> bool:
    """True where a row holds a request, the item of an evaluation, or an API's response beside its messages."""
    if isinstance(row.get("item"), dict) and row["item"].keys() & {"messages", "input", "conversations"}:
        return True
    if _request_key(row) is not None:
        return True
    return "messages" in row and _is_response(row.get("response"))


def _request_key(row: Mapping[str, Any]) -> str | None:
    if "output" in row and isinstance(row.get("input"), dict) and isinstance(row["input"].get("messages"), list):
        return "input"
    inputs = row.get("inputs")
    if isinstance(inputs, dict) and "messages" not in inputs:
        return None
    return next(
        (key for key in _REQUESTS if isinstance(row.get(key), dict) and row[key].keys() & {"messages", "input"}),
        None,
    )


def _is_response(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return bool(value.keys() & {"choices", "message", "role", "messages"}) or _is_response(value.get("body"))


def example_of_envelope(row: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """The inner row, with the response as its last message. Raises NotConvertible."""
    row = opened_run(row, changes)
    if isinstance(row.get("item"), dict):
        return _item(row, changes)
    key = _request_key(row)
    inner: dict[str, Any] = dict(row[key]) if key else {"messages": row.get("messages")}
    outer = [name for name in _CARRIED if row.get(name) is not None and name not in inner and name != key]
    inner |= {name: row[name] for name in outer}
    responses = [name for name in _RESPONSES if row.get(name) not in (None, "", {}) and name != key]
    if len(responses) > 1:
        raise NotConvertible(f"it has {' and '.join(responses)}: several answers", "Keep one of them.")
    if not isinstance(inner.get("messages"), list):
        said = row[responses[0]] if responses else None
        output = (
            said.get("body", said).get("output")
            if isinstance(said, dict) and isinstance(said.get("body", said), dict)
            else None
        )
        if isinstance(output, list) and isinstance(inner.get("input"), list | str):
            return _noted({**inner, "output": output}, row, {key, *responses, *outer}, changes)
        if responses or not isinstance(inner.get("input"), list | str):
            raise NotConvertible("the request inside it holds no messages", "Write its messages.")
        return _noted(inner, row, {key, *outer}, changes)
    for name in responses:
        inner["messages"] = inner["messages"] + _answers(row[name], name, changes)
    return _noted(inner, row, {key, *responses, *outer, "messages"}, changes)


def _answers(value: Any, key: str, changes: Changes) -> list[dict[str, Any]]:
    value = value["body"] if isinstance(value, dict) and isinstance(value.get("body"), dict) else value
    if isinstance(value, dict) and isinstance(value.get("message"), dict):
        value = value["message"]
    changes.note(f"{key} written as the last message")
    said = messages_of(value, "assistant", key, changes)
    return [
        {name: each for name, each in message.items() if each is not None or name == "content"} for message in said
    ]


def _item(row: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """The item of an evaluation. Its sample is what some model said, not what is right, so it is left out."""
    changes.note("item written as an example")
    return _noted(dict(row["item"]), row, {"item"}, changes)


def _noted(
    inner: dict[str, Any], row: Mapping[str, Any], used: set[str | None], changes: Changes
) -> dict[str, Any]:
    for key in row.keys() - used:
        changes.note(f"key {key} left out" if len(key) < 24 and key.isidentifier() else "other keys left out")
    if not inner:
        raise NotConvertible(f"it is {named_type(inner)} without keys", "Write its messages.")
    for key in ("model", "temperature", "top_p", "max_tokens", "stream"):
        if inner.pop(key, None) is not None:
            changes.note(f"{key} left out")
    return inner
