"""Preference data in the forms of TRL, ShareGPT, Orca and ms-swift, as OpenAI's DPO format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.dataset.convert.cells import (
    SYSTEM_KEYS,
    ColumnNames,
    messages_of,
    refuse_meaning,
    system_text,
    with_system,
)
from orchestrator.dataset.convert.changes import Changes, NotConvertible
from orchestrator.dataset.convert.conversations import messages_of_turns

_PAIRS = (
    ("chosen", "rejected"),
    ("response", "rejected_response"),
    ("messages", "rejected_messages"),
    ("messages", "rejected_response"),
    ("messages", "rejected"),
)
_ASKED = ("messages", "conversations", "prompt", "question", "instruction", "query", "input")


def preference_keys(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """The keys of the preferred and of the other answer; None for a row that is no such pair."""
    return next((pair for pair in _PAIRS if all(row.get(key) is not None for key in pair)), None)


def example_of_preference(row: Mapping[str, Any], names: ColumnNames, changes: Changes) -> dict[str, Any]:
    """Reads a prompt with `chosen` and `rejected`, each text, a message or messages; or two whole
    conversations that begin alike; or `messages` with `rejected_response`. Raises NotConvertible."""
    keys = preference_keys(row)
    if keys is None:
        advice = 'Write both as text or messages, as in {"prompt": …, "chosen": …, "rejected": …}.'
        raise NotConvertible("it lacks the preferred or the other answer", advice)
    chosen, rejected = (_answers(row[key], key, changes) for key in keys)
    asked = next((key for key in _ASKED if row.get(key) and key not in (*keys, *names.drop)), None)
    told = asked == "messages" and row["messages"] == row[keys[0]]  # UltraFeedback says the chosen one twice
    if told:
        asked = next((key for key in _ASKED[1:] if row.get(key) and key not in (*keys, *names.drop)), None)
    prompt = _prompt(row, asked, changes)
    used = {*keys, asked, "messages" if told else None, "tools", "functions", *names.keep}
    if asked == "instruction" and isinstance(row.get("input"), str):
        if row["input"].strip():
            prompt = [{"role": "user", "content": f"{row['instruction']}\n\n{row['input']}"}]
        used.add("input")
    if keys[0] == "messages":
        prompt = chosen[: _answer_begins(chosen)]
    if prompt:
        before = prompt
        chosen, rejected = (_behind(answer, prompt) for answer in (chosen, rejected))
    else:
        shared = _shared(chosen, rejected)
        before, chosen, rejected = chosen[:shared], chosen[shared:], rejected[shared:]
    if not before or not chosen or not rejected:
        raise NotConvertible("it has no prompt before two different answers", 'Write the request under "prompt".')
    system = next((key for key in SYSTEM_KEYS if row.get(key) and key not in (*names.drop, *names.keep)), None)
    if system:
        before = with_system(before, system_text(row[system], system), system, changes)
    refuse_meaning(row, {*used, system}, names, changes)
    changes.note(f"{keys[0]} and {keys[1]} written as DPO")
    tools = {key: row[key] for key in ("tools", "functions") if row.get(key)}
    more = {key: row[key] for key in names.keep if key in row}
    return {
        "input": {"messages": before, **tools},
        "preferred_output": chosen,
        "non_preferred_output": rejected,
        **more,
    }


def _prompt(row: Mapping[str, Any], key: str | None, changes: Changes) -> list[Any]:
    if key is None:
        return []
    if key == "conversations":
        return messages_of_turns(row[key], changes)
    return messages_of(row[key], "user", key, changes)


def _answers(value: Any, key: str, changes: Changes) -> list[Any]:
    """The messages of an answer; of `messages` beside a rejected answer, the whole conversation."""
    if isinstance(value, list) and value and all(isinstance(turn, dict) and "from" in turn for turn in value):
        return messages_of_turns(value, changes)
    if isinstance(value, str) and key == "rejected_response":
        return [{"role": "assistant", "content": value}]
    return messages_of(value, "assistant", key, changes)


def _answer_begins(messages: list[Any]) -> int:
    """The place of the first message behind the last request."""
    requests = [place for place, message in enumerate(messages) if message.get("role") == "user"]
    return requests[-1] + 1 if requests else 0


def _behind(answer: list[Any], prompt: list[Any]) -> list[Any]:
    """The answer without the prompt that it repeats. Raises NotConvertible where it repeats another one."""
    if answer[: len(prompt)] == prompt:
        return answer[len(prompt) :]
    if any(message.get("role") in ("user", "system") for message in answer):
        raise NotConvertible("an answer repeats a conversation other than the prompt", "Keep one of them.")
    return answer


def _shared(chosen: list[Any], rejected: list[Any]) -> int:
    """How many messages both begin with."""
    number = 0
    while number < min(len(chosen), len(rejected)) and chosen[number] == rejected[number]:
        number += 1
    return number
