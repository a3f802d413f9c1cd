"""Keys that no training service reads: in rows, messages, content parts, calls and tool definitions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from orchestrator.dataset.basemodels import Method
from orchestrator.dataset.findings import Notes, Pointer, shown
from orchestrator.dataset.rules.rule import CONVERT_COMMAND, OR_CONVERT
from orchestrator.spelling import nearest

# OpenAI's API reference, the training format for chat models and "Create chat completion", November 2026.
DECLARING = frozenset({"messages", "tools", "functions", "parallel_tool_calls"})
PREFERENCE = frozenset({"input", "preferred_output", "non_preferred_output"})
MESSAGE = frozenset({"role", "content", "name", "weight", "refusal", "tool_calls", "tool_call_id", "function_call"})
IMAGE = frozenset({"url", "detail"})
CALL = frozenset({"id", "type", "function"})
CALLED = frozenset({"name", "arguments"})
TOOL = frozenset({"type", "function"})
DEFINITION = frozenset({"name", "description", "parameters", "strict"})

_CALL_PARTS = ("tool call", "called function")
_DROPPABLE_FROM = ("example", "input", "message", "content part")
"""Where `convert --drop-column` takes a key out."""
_LONGEST_DROPPED = 64
_ALIKE = 0.8

_MEDIA = frozenset({"image", "images", "video", "videos", "audio", "audios"})
_REJECTED = frozenset(
    {"chosen", "rejected", "rejected_response", "rejected_responses", "rejected_messages", "non_preferred_output"}
)
_TRAINED = frozenset({"loss", "loss_weight", "train", "trainable", "training"})
_LABELS = frozenset({"label", "kto_tag"})
_REASONING = frozenset({"reasoning", "reasoning_content", "thinking", "thoughts"})

_IMAGE_PART = 'Give each image in a user message: {"type": "image_url", "image_url": {"url": "…"}}'
_ADDRESSES = ("http://", "https://", "data:image/")
_HARMS: Mapping[str, tuple[str, str]] = {
    "system": (
        "the text is in no message, so the model never sees it",
        f'Write the text as a first message of role "system"{OR_CONVERT}',
    ),
    "media": (
        "services read images from content parts only, so nothing of this is trained on",
        f"{_IMAGE_PART}{OR_CONVERT}",
    ),
    "local media": (
        "services read images from content parts only, so nothing of this is trained on",
        f"{_IMAGE_PART}. To train without: {CONVERT_COMMAND}",
    ),
    "rejected": (
        "only preference data compares answers, so this one is ignored",
        f'Write {{"input": {{"messages": […]}}, "preferred_output": […], "non_preferred_output": […]}}{OR_CONVERT}',
    ),
    "response": (
        "a logged answer is no part of the conversation, so it is not trained on",
        f"Append its choices[0].message to the messages, as the answer to learn{OR_CONVERT}",
    ),
    "label": (
        "false marks the answer as a bad one, but it is trained on like a good one",
        f"Leave out the examples marked false: {CONVERT_COMMAND} --to supervised",
    ),
    "loss": (
        "services do not read it, so the answer is trained on with full weight",
        f'Write "weight": 0 on each assistant message to leave out{OR_CONVERT}',
    ),
    "unread loss": (
        "services do not read it, so the answer is trained on with full weight",
        'Write "weight": 0 on each assistant message to leave out.',
    ),
}


def check_row_keys(row: Mapping[str, Any], method: Method, notes: Notes) -> None:
    """Tally the keys of an example beside its conversation; in reinforcement data most belong to the grader."""
    if isinstance(row.get("messages"), list):
        if not row.keys() <= DECLARING:
            for key in _unknown(row, DECLARING):
                _note_row_key(row, key, method, notes)
    elif method == "dpo" and isinstance(row.get("input"), dict):
        note_unknown_keys(row, PREFERENCE, "example", (), notes)
        note_unknown_keys(row["input"], DECLARING, "input", ("input",), notes)


def check_message_keys(message: Mapping[str, Any], where: Pointer, notes: Notes) -> None:
    """Tally the keys of a message that no service reads."""
    answers = message.get("role") == "assistant"
    for key in _unknown(message, MESSAGE):
        value = message[key]
        if answers and key in _TRAINED and value not in (True, 1):
            harm = "unread loss" if "weight" in message else "loss"
            _note_harm(key, harm, "message", (*where, key), notes)
        elif answers and key in _REASONING and value:
            notes.tally("FT219", key, (*where, key), key=shown(key), drop=key)
        else:
            _note_unread(key, MESSAGE, "message", (*where, key), notes)


def note_unknown_keys(
    holder: Mapping[str, Any], known: frozenset[str], what: str, where: Pointer, notes: Notes
) -> None:
    """Tally the keys of `holder` that are not `known`; `what` names it for people, such as "tool call"."""
    if known.issuperset(holder):
        return
    for key in _unknown(holder, known):
        _note_unread(key, known, what, (*where, key), notes)


def _unknown(holder: Mapping[str, Any], known: frozenset[str]) -> list[str]:
    """In the order of the file. Null counts as absent, since exports of tables write it into every row."""
    return [key for key, value in holder.items() if key not in known and value is not None]


def _note_row_key(row: Mapping[str, Any], key: str, method: Method, notes: Notes) -> None:
    value = row[key]
    if key == "system" and isinstance(value, str) and value.strip():
        _note_harm(key, "system", "example", (key,), notes)
    elif key in _MEDIA and value:
        listed = value if isinstance(value, list) else [value]
        are_addresses = all(isinstance(each, str) and each.startswith(_ADDRESSES) for each in listed)
        harm = "media" if key in ("image", "images") and are_addresses else "local media"
        _note_harm(key, harm, "example", (key,), notes)
    elif key in _REJECTED and value:
        _note_harm(key, "rejected", "example", (key,), notes)
    elif key == "response" and isinstance(value, dict) and "choices" in value:
        _note_harm(key, "response", "example", (key,), notes)
    elif method == "reinforcement":
        return
    elif key in _LABELS and value is False:
        _note_harm(key, "label", "example", (key,), notes)
    elif key == "loss_weight" and value != 1:
        _note_harm(key, "unread loss", "example", (key,), notes)
    else:
        _note_unread(key, DECLARING, "example", (key,), notes)


def _note_harm(key: str, harm: str, what: str, where: Pointer, notes: Notes) -> None:
    reason, advice = _HARMS[harm]
    drop: dict[str, object] = {"drop": key} if harm == "local media" else {}
    notes.tally("FT217", f"{what} {key}", where, what=what, key=shown(key), harm=reason, advice=advice, **drop)


def _note_unread(key: str, known: frozenset[str], what: str, where: Pointer, notes: Notes) -> None:
    meant = _meant(key, known)
    drop: dict[str, object] = {}
    if meant:
        advice = f'Take it out, or write "{meant}" if that is meant.'
    elif what in _CALL_PARTS:
        advice = f"Take it out{OR_CONVERT}"
    elif what in _DROPPABLE_FROM and key.isprintable() and len(key) <= _LONGEST_DROPPED:
        advice, drop = f"Take it out: {CONVERT_COMMAND}", {"drop": key}
    else:
        advice = "Take it out."
    notes.tally("FT218", f"{what} {key}", where, what=what, key=shown(key), advice=advice, **drop)


@lru_cache(maxsize=256)
def _meant(key: str, known: frozenset[str]) -> str | None:
    return nearest(key, known, cutoff=_ALIKE)
