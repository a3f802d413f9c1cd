"""The forms in which an event leaves this process: JSON, environment variables, and texts with its fields."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator.notifications.events import Event
from orchestrator.notifytables import NotifyTarget

_LONGEST = 2000
"""Characters of a field: webhooks refuse longer messages."""
_TAMED = str.maketrans({"<": "‹", ">": "›", "@": "@\u200b"})
"""Chats read <!channel>, <@name> and @everyone as orders, and a job's reason may come from anywhere."""


def event_object(event: Event) -> dict[str, Any]:
    """The event as JSON, with "text" as chats' incoming webhooks take it."""
    return {
        "text": _plain(event.text),
        "event": name_of(event),
        "kind": event.kind,
        "id": event.item_id,
        "name": _plain(event.name),
        "endpoint": _plain(event.endpoint),
        "state": event.state,
        "reason": _plain(event.reason),
        "model": None if event.model is None else _plain(event.model),
        "needs_person": event.needs_person,
        "at": datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds"),
    }


def name_of(event: Event) -> str:
    """What happened: "attention", or the state that it ended in."""
    return "attention" if event.needs_person else event.state


def environment(event: Event) -> dict[str, str]:
    """The event for commands: FTORCH_TEXT, FTORCH_EVENT, FTORCH_KIND, FTORCH_ID, FTORCH_NAME and the other fields;
    for a run, FTORCH_RUN too."""
    found = {f"FTORCH_{key.upper()}": _as_text(value) for key, value in event_object(event).items()}
    return {**found, "FTORCH_RUN": event.item_id} if event.kind == "run" else found


def command_line(target: NotifyTarget, event: Event) -> list[str]:
    """The target's command, with the text in place of `{text}`. Only the text, which begins with the event's kind,
    is put there: another field could be taken for an option."""
    return [part.replace("{text}", _plain(event.text)) for part in target.command]


def web_body(target: NotifyTarget, event: Event) -> Any:
    """What is posted: the event, or the target's own body with the event's fields in its texts."""
    fields = {key: _tamed(value) for key, value in event_object(event).items()}
    return _with_fields(dict(target.body), fields) if target.body else fields


def _with_fields(value: Any, fields: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        for name, text in fields.items():
            value = value.replace(f"{{{name}}}", _as_text(text))
        return value
    if isinstance(value, Mapping):
        return {key: _with_fields(member, fields) for key, member in value.items()}
    return [_with_fields(member, fields) for member in value] if isinstance(value, list) else value


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _tamed(value: Any) -> Any:
    return value.translate(_TAMED) if isinstance(value, str) else value


def _plain(text: str) -> str:
    """On one line, without control characters: names and reasons come from files and endpoints."""
    kept = "".join(" " if unicodedata.category(each) in ("Cc", "Cf", "Cs") else each for each in text)
    return f"{kept[:_LONGEST]}…" if len(kept) > _LONGEST else kept
