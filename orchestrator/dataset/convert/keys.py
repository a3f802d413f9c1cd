"""Keys beside the messages of an example that change its meaning: used, or refused with what decides."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from orchestrator.dataset.checking.keys import MESSAGE
from orchestrator.dataset.checking.methods import OUTPUTS
from orchestrator.dataset.convert.cells import (
    IMAGE_KEYS,
    LABEL_KEYS,
    SYSTEM_KEYS,
    ColumnNames,
    label_of,
    messages_of,
    require_good,
    system_text,
    with_system,
)
from orchestrator.dataset.convert.changes import Changes, NotConvertible
from orchestrator.dataset.findings import named_type, shown

Row = dict[str, Any]

_PART = ("type", "text", "image_url", "refusal")
_IMAGE_MARK = "<image>"
_ADDRESSES = ("http://", "https://", "data:image/")
_ANSWERS = ("chosen", "rejected", "rejected_response", "rejected_messages", "response")


def with_keys_used(example: Row, names: ColumnNames, changes: Changes, *, keep_good: bool = False) -> Row:
    """The example with its system text, images and answer in the messages.

    Raises NotConvertible for a key whose meaning would be lost, and LeftOut for an answer marked as bad with
    `keep_good`. Keys that `names` keeps or drops are kept or dropped.
    """
    messages = example["messages"]
    if not set(IMAGE_KEYS).isdisjoint(names.drop):
        messages = [_without_marks(message, changes) for message in messages]
    undecided = {key: value for key, value in example.items() if key not in ("messages", *names.keep)}
    used: list[str] = []
    if names.answer in undecided and names.answer is not None:
        used.append(names.answer)
        messages = [*messages, *messages_of(undecided.pop(names.answer), "assistant", names.answer, changes)]
        changes.note(f"{names.answer} written as the last message")
    answered = bool(messages) and messages[-1].get("role") == "assistant"
    messages, taken = _with_system_key(messages, undecided, names, changes)
    used += taken
    messages, taken = _with_images(messages, undecided, changes)
    used += taken
    for label in LABEL_KEYS:
        if answered and label_of(undecided.get(label)) is not None:
            require_good(undecided[label], label, keep_good=keep_good, changes=changes)
            used += [label] if keep_good else []
    for key in _ANSWERS:
        if undecided.get(key) not in (None, "", []) and key not in used:
            raise _undecided(key, undecided[key])
    kept = {key: value for key, value in example.items() if key not in used}
    return {**kept, "messages": messages}


def with_keys_dropped(example: Row, keys: Collection[str], changes: Changes) -> Row:
    """The example without these keys in all places that services do not read: beside the conversation, in a
    message, in a content part."""
    if not keys:
        return example
    kept = _without(example, keys, ("messages", "input", *OUTPUTS), "", changes)
    if isinstance(kept.get("input"), dict):
        kept["input"] = with_keys_dropped(kept["input"], keys, changes)
    for key in ("messages", *OUTPUTS):
        if isinstance(kept.get(key), list):
            kept[key] = [_message_without(message, keys, changes) for message in kept[key]]
    return kept


def _message_without(message: Any, keys: Collection[str], changes: Changes) -> Any:
    if not isinstance(message, dict):
        return message
    kept = _without(message, keys, MESSAGE, " of messages", changes)
    if isinstance(kept.get("content"), list):
        parts = kept["content"]
        kept["content"] = [
            _without(part, keys, _PART, " of content parts", changes) if isinstance(part, dict) else part
            for part in parts
        ]
    return kept


def _without(holder: Row, keys: Collection[str], needed: Collection[str], where: str, changes: Changes) -> Row:
    dropped = [key for key in keys if key in holder and key not in needed]
    for key in dropped:
        changes.dropped.add(key)
        changes.note(f"key {shown(key, 24)}{where} left out")
    return {key: value for key, value in holder.items() if key not in dropped}


def _with_system_key(
    messages: list[Any], keys: Mapping[str, Any], names: ColumnNames, changes: Changes
) -> tuple[list[Any], list[str]]:
    used = [key for key in (names.system_column, *SYSTEM_KEYS) if key in keys and key is not None]
    for key in used:
        messages = with_system(messages, system_text(keys[key], key), key, changes)
    if names.system and not any(message.get("role") in ("system", "developer") for message in messages[:1]):
        messages = with_system(messages, names.system, "system text", changes)
    return messages, used


def _with_images(messages: list[Any], keys: Mapping[str, Any], changes: Changes) -> tuple[list[Any], list[str]]:
    """The messages with the images of a key where <image> marks their places."""
    found = [key for key in IMAGE_KEYS if keys.get(key) not in (None, [], "")]
    if not found:
        return messages, [key for key in IMAGE_KEYS if key in keys]
    key = found[0]
    addresses = keys[key] if isinstance(keys[key], list) else [keys[key]]
    marks = sum(_marks(message) for message in messages)
    if key not in ("images", "image") or len(found) > 1:
        problem = f"{' and '.join(map(shown, found))}: services train only on images, under one key"
        options = " ".join(f"--drop-column {each}" for each in found)
        raise NotConvertible(problem, f"Leave them out with {options}.")
    or_drop = f", or leave them out with --drop-column {key}."
    local = next((each for each in addresses if not _is_address(each)), None)
    if local is not None:
        is_path = isinstance(local, str) and "://" not in local
        kind = "a path on this machine, which no service can fetch" if is_path else "which is not an image address"
        problem = f"the key {shown(key)} holds {shown(local)}, {kind}"
        advice = "Write an http(s) address there, or the image as data:image/png;base64,…"
        raise NotConvertible(problem, advice + or_drop)
    if marks != len(addresses):
        problem = f"the key {shown(key)} holds {len(addresses)} image(s), but there are {marks} <image> mark(s)"
        raise NotConvertible(problem, f"Put <image> into the user messages where each belongs{or_drop}")
    changes.note(f"{key} put where <image> marks their places")
    remaining = iter(addresses)
    return [_with_parts(message, remaining) if _marks(message) else message for message in messages], [key]


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(_ADDRESSES)


def _without_marks(message: Row, changes: Changes) -> Row:
    """The message without the marks of images that are left out: they are no text to learn from."""
    if not _marks(message):
        return message
    changes.note(f"{_IMAGE_MARK} marks left out")
    return {**message, "content": message["content"].replace(_IMAGE_MARK, "").strip()}


def _marks(message: Mapping[str, Any]) -> int:
    content = message.get("content")
    return content.count(_IMAGE_MARK) if isinstance(content, str) and message.get("role") == "user" else 0


def _with_parts(message: Row, addresses: Any) -> Row:
    first, *others = message["content"].split(_IMAGE_MARK)
    parts: list[Row] = [{"type": "text", "text": first}] if first.strip() else []
    for text in others:
        parts.append({"type": "image_url", "image_url": {"url": next(addresses)}})
        parts += [{"type": "text", "text": text}] if text.strip() else []
    return {**message, "content": parts}


def _undecided(key: str, value: Any) -> NotConvertible:
    advice = (
        f"Answer with it with --answer-column {key}, keep it as a key with --keep-column {key}, "
        f"or leave it out with --drop-column {key}."
    )
    held = "text" if isinstance(value, str) else named_type(value)
    return NotConvertible(
        f"the key {shown(key)} holds {held} beside the messages, and its purpose is unclear", advice
    )
