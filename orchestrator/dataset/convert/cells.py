"""Cells and keys of a row, read as the messages, definitions or labels that they hold."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.dataset.checking.keys import DECLARING
from orchestrator.dataset.convert.changes import Changes, NotConvertible
from orchestrator.dataset.convert.textcalls import definitions_in, is_definition
from orchestrator.dataset.findings import named_type, shown
from orchestrator.dataset.jsontext import NotJson, parse_json

Message = dict[str, Any]

SYSTEM_KEYS = ("system", "system_prompt", "system_message")
DEFINITION_KEYS = ("tools", "functions", "function_description")
IMAGE_KEYS = ("images", "image", "videos", "audios")
LABEL_KEYS = ("label", "kto_tag")
_LABELS = (*LABEL_KEYS, "labels")
_OTHER_ANSWERS = ("chosen", "rejected", "rejected_response", "rejected_messages", "response")
_SENTENCE_WORDS = 5
_ROLE_NAMES: Mapping[str, str] = {"human": "user", "model": "assistant", "ai": "assistant", "gpt": "assistant"}


@dataclass(frozen=True)
class ColumnNames:
    """Which column holds what. None: the usual names are looked for."""

    prompt: str | None = None
    call: str | None = None
    """A call as JSON, several of them as a JSON array, or the function's name alone."""
    arguments: str | None = None
    """The arguments as JSON, where the call column holds the name alone."""
    answer: str | None = None
    """What is said in text: where there is no call, or beside it."""
    context: str | None = None
    """Text that stands under the prompt, after a blank line."""
    system_column: str | None = None
    """The text of the system message, row by row."""
    system: str | None = None
    """The text of the system message that every example gets; not a column."""
    keep: tuple[str, ...] = ()
    """Columns that the examples keep as keys."""
    drop: tuple[str, ...] = ()
    """Columns that are left out whatever they hold."""
    answer_call: Mapping[str, Any] | None = None
    """The call, with a name and arguments, that answers each row that ends with a request."""


class LeftOut(Exception):
    """An example that the conversion leaves out as asked; `what` is counted among the changes."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)


def messages_of(value: Any, role: str, key: str, changes: Changes) -> list[Message]:
    """The messages that a cell holds: text, JSON text of messages, messages, or a request or response around them.

    Raises NotConvertible where it holds none of these.
    """
    if isinstance(value, str):
        inner = decoded_messages(value)
        if inner is None:
            return [{"role": role, "content": value}]
        changes.note("messages in a string decoded")
        return inner
    if isinstance(value, bool | int | float):
        changes.note("numbers written as text")
        return [{"role": role, "content": json.dumps(value)}]
    if isinstance(value, list):
        if len(value) == 1 and isinstance(value[0], list):
            value = value[0]
        if value and all(isinstance(each, dict) and "role" in each for each in value):
            return [{**each, "role": role_named(each["role"])} for each in value]
        if value and all(isinstance(each, dict) and isinstance(each.get("type"), str) for each in value):
            return [{"role": role, "content": value}]
    if isinstance(value, dict):
        return _messages_of_object(value, role, key, changes)
    problem = f"the column {shown(key, 40)} holds {named_type(value)}, which is neither text nor messages"
    advice = "Write text there, or name other columns with --prompt-column and --answer-column."
    raise NotConvertible(problem, advice)


def _messages_of_object(value: Message, role: str, key: str, changes: Changes) -> list[Message]:
    if isinstance(value.get("from"), str) and "value" in value:
        return [{"role": role_named(value["from"]), "content": value["value"]}]
    if "role" in value:
        return [{**value, "role": role_named(value["role"])}]
    lost = [each for each in ("tools", "functions") if value.get(each)]
    if lost:
        problem = f"the column {shown(key, 40)} holds {lost[0]} beside its messages"
        raise NotConvertible(problem, f"Write {lost[0]} as a key of the example.")
    for inner in ("messages", "input", "output"):
        if isinstance(value.get(inner), list | dict):
            return messages_of(value[inner], role, key, changes)
    if isinstance(value.get("choices"), list) and len(value["choices"]) > 1:
        problem = f"the column {shown(key, 40)} holds {len(value['choices'])} choices"
        raise NotConvertible(problem, "Keep the right one of them.")
    if isinstance(value.get("choices"), list) and value["choices"] and isinstance(value["choices"][0], dict):
        return messages_of(value["choices"][0].get("message"), role, key, changes)
    if isinstance(value.get("text"), list) and len(set(map(str, value["text"]))) == 1:
        value = {**value, "text": value["text"][0]}  # SQuAD lists the same answer once for each judge
    texts = [
        value[inner]
        for inner in ("content", "text", "input", "output", "question", "answer")
        if isinstance(value.get(inner), str)
    ]
    if len(texts) == 1:
        return [
            {
                "role": role,
                "content": texts[0],
                **({"tool_calls": value["tool_calls"]} if value.get("tool_calls") else {}),
            }
        ]
    problem = f"the column {shown(key, 40)} holds an object without messages"
    raise NotConvertible(problem, "Write text or messages there, or name another column.")


def role_named(role: Any) -> Any:
    """The role of today for a speaker's name; any other value as it is."""
    return _ROLE_NAMES.get(role, role) if isinstance(role, str) else role


def decoded_messages(text: str) -> list[Message] | None:
    """The messages that a text holds as JSON; None where it holds something else."""
    if not text.lstrip().startswith("["):
        return None
    try:
        value = parse_json(text)
    except NotJson:
        return None
    is_messages = (
        isinstance(value, list)
        and value
        and all(isinstance(each, dict) and ("role" in each or "from" in each) for each in value)
    )
    return value if is_messages else None


def system_text(value: Any, key: str) -> str | None:
    """The text of a system message that stands outside the messages; None for an empty one.

    Raises NotConvertible where it is no text.
    """
    if (
        isinstance(value, list)
        and value
        and all(isinstance(each, dict) and isinstance(each.get("text"), str) for each in value)
    ):
        value = "\n".join(each["text"] for each in value)
    if value is None or value == [] or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str):
        raise NotConvertible(
            f"{shown(key, 40)} is {named_type(value)}, not text",
            f"Write text there, or leave it out with --drop-column {key}.",
        )
    return value


def with_system(messages: list[Any], text: str | None, key: str, changes: Changes) -> list[Any]:
    """The messages with a system message in front, unless it is there. Raises NotConvertible for two texts."""
    if text is None:
        return messages
    first = messages[0] if messages and isinstance(messages[0], dict) else {}
    if first.get("role") not in ("system", "developer"):
        changes.note(f"{key} written as a system message")
        return [{"role": "system", "content": text}, *messages]
    content = first.get("content")
    if content == text or (isinstance(content, str) and content.startswith(text.strip())):
        changes.note(f"{key} left out, since the system message says it")
        return messages
    advice = f"Keep one of them: --drop-column {key} leaves the key out."
    raise NotConvertible(f"the key {shown(key, 40)} and the system message differ", advice)


def definitions_of(value: Any, changes: Changes) -> list[Any] | None:
    """The definitions in a cell, as a list, one object or JSON text of them; None where they are no definitions."""
    if isinstance(value, str):
        rest, found = definitions_in(value)
        if not found or rest.strip(" \n,"):
            return None
        changes.note("tool definitions in a string decoded")
        return found
    listed = value if isinstance(value, list) else [value]
    return listed if listed and all(is_definition(each) for each in listed) else None


def label_of(value: Any) -> bool | None:
    """What a label says of the answer, good or bad; None where it is no such label."""
    if isinstance(value, str):
        value = {"true": True, "false": False, "1": True, "0": False}.get(value.strip().lower())
    return bool(value) if value in (True, False) and value is not None else None


def require_good(value: Any, key: str, *, keep_good: bool, changes: Changes) -> None:
    """Accept a label that says the answer is good. Raises LeftOut where only good ones are asked for, else
    NotConvertible."""
    good = label_of(value)
    if good and keep_good:
        changes.note(f"key {shown(key)} left out")
    if good:
        return
    if good is False and keep_good:
        raise LeftOut(f"examples with {key} false left out")
    if good is False:
        advice = f"Keep only the good ones with --to supervised; --drop-column {key} trains on all of them."
        raise NotConvertible(f"its {key} is false: the answer is marked as bad", advice)
    raise _undecided(key, "a label")


def refuse_meaning(row: Mapping[str, Any], used: set[str | None], names: ColumnNames, changes: Changes) -> None:
    """Note the columns outside `used` as left out. Raises NotConvertible for one that holds what a model should
    learn from: sentences, messages, labels, images."""
    for column, value in row.items():
        if column in used:
            continue
        if column not in names.drop and value not in (None, "", [], {}) and (held := _meaning(column, value)):
            raise _undecided(column, held)
        if column in names.drop:
            changes.dropped.add(column)
        changes.note(f"column {shown(column, 24)} left out")


def without_unread(example: Message, names: ColumnNames, changes: Changes) -> Message:
    """The example without ids, numbers and names that a format has beside its turns, noted as left out. What may
    mean something stays, and so do reinforcement examples as they are, whose keys belong to a grader."""
    messages = example.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    if not isinstance(last, dict) or last.get("role") != "assistant":
        return example
    decided = {*DECLARING, *names.keep, *names.drop}
    unread = [key for key, value in example.items() if key not in decided and _meaning(key, value) is None]
    for key in unread:
        changes.note(f"key {shown(key, 24)} left out")
    return {key: value for key, value in example.items() if key not in unread}


def _undecided(column: str, held: str) -> NotConvertible:
    name = column if re.fullmatch(r"[\w.-]+", column) else f'"{column}"'
    ways = (
        f"Put it under the request with --context-column {name}",
        f"in the system message with --system-column {name}",
        f"answer with it with --answer-column {name}",
        f"keep it as a key with --keep-column {name}",
        f"or leave it out with --drop-column {name}.",
    )
    advice = ", ".join(ways)
    return NotConvertible(f"the column {shown(column, 40)} holds {held}, and its purpose is unclear", advice)


def _meaning(column: str, value: Any) -> str | None:
    """What a column holds that no conversion may lose; None for an id, a number, a name."""
    name = column.strip().lower()
    if name in _LABELS:
        return "a label"
    if name in IMAGE_KEYS:
        return "images"
    if name in (*SYSTEM_KEYS, *_OTHER_ANSWERS, "context", "history", "input", "instruction"):
        return "text" if isinstance(value, str) else named_type(value)
    if isinstance(value, str):
        if decoded_messages(value) is not None:
            return "messages"
        return "sentences" if len(value.split(None, _SENTENCE_WORDS)) >= _SENTENCE_WORDS else None
    listed = value if isinstance(value, list) else [value]
    if any(isinstance(each, dict) and each.keys() & {"role", "messages", "choices", "from"} for each in listed):
        return "messages"
    if any(isinstance(each, str) and _meaning("", each) for each in listed):
        return "sentences"
    return None
