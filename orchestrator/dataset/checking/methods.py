"""The shape of a supervised example: a conversation that ends with the answer to learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.dataset.checking.conversation import (
    check_ends_with_answer,
    check_messages,
    listed_messages,
)
from orchestrator.dataset.checking.declarations import Calls, declared_calls
from orchestrator.dataset.checking.formats import note_foreign_row
from orchestrator.dataset.checking.images import check_image_count
from orchestrator.dataset.findings import Notes, named_type, shown


def check_supervised(row: Mapping[str, Any], notes: Notes) -> None:
    """Note what is wrong with `{"messages": […], "tools"?: […]}`."""
    if note_foreign_row(row, notes):
        return
    calls = declared_calls(row, (), notes)
    messages = listed_messages(row, (), notes)
    if messages is not None:
        roles = check_messages(messages, ("messages",), calls, notes)
        check_image_count(messages, ("messages",), notes)
        check_ends_with_answer(roles, ("messages",), notes)


# --- DPO: one input, a preferred output and another --------------------------------------------------------------


OUTPUTS = ("preferred_output", "non_preferred_output")


def check_preference(row: Mapping[str, Any], notes: Notes) -> None:
    """Note what is wrong with `{"input": {"messages": […], "tools"?: […]}, "preferred_output": […], …}`."""
    if "messages" in row and "input" not in row:
        notes.add("FT401", ("input",), found='the example has the supervised shape, with "messages"')
        return
    calls = _check_input(row, notes)
    _check_seam(row, notes)
    for key in OUTPUTS:
        _check_output(row, key, calls.branch(), notes)
    preferred, other = (row.get(key) for key in OUTPUTS)
    if preferred and preferred == other:
        notes.add("FT404", ("preferred_output",))


def _check_input(row: Mapping[str, Any], notes: Notes) -> Calls:
    source = row.get("input")
    if not isinstance(source, dict):
        found = f"it holds {named_type(source)}" if "input" in row else "it is missing"
        notes.add("FT401", ("input",), found=found)
        return Calls(None)
    calls = declared_calls(source, ("input",), notes)
    messages = listed_messages(source, ("input",), notes)
    if messages is not None:
        check_messages(messages, ("input", "messages"), calls, notes)
        check_image_count(messages, ("input", "messages"), notes)
    return calls


def _check_seam(row: Mapping[str, Any], notes: Notes) -> None:
    """An input that ends with the assistant makes it speak twice in a row."""
    source = row.get("input")
    spoken = source.get("messages") if isinstance(source, dict) else None
    for key in OUTPUTS:
        if _role_at(spoken, -1) == _role_at(row.get(key), 0) == "assistant":
            notes.add("FT215", (key, 0))
            return


def _role_at(messages: Any, index: int) -> Any:
    message = messages[index] if isinstance(messages, list) and messages else None
    return message.get("role") if isinstance(message, dict) else None


def _check_output(row: Mapping[str, Any], key: str, calls: Calls, notes: Notes) -> None:
    messages = row.get(key)
    if not isinstance(messages, list) or not messages:
        found = "it is missing" if key not in row else f"it holds {named_type(messages)}"
        notes.add("FT402", (key,), key=key, found="it is empty" if messages == [] else found)
        return
    roles = check_messages(messages, (key,), calls, notes)
    for index, role in enumerate(roles):
        if role is not None and role not in ("assistant", "tool"):
            notes.add("FT403", (key, index, "role"), found=shown(role))
            return
    check_ends_with_answer(roles, (key,), notes)


# --- Reinforcement: a conversation that ends with the user's prompt ----------------------------------------------


def check_reinforcement(row: Mapping[str, Any], notes: Notes) -> None:
    """Note what is wrong with `{"messages": […], "tools"?: […], …}`."""
    if note_foreign_row(row, notes):
        return
    calls = declared_calls(row, (), notes)
    messages = listed_messages(row, (), notes)
    if messages is None:
        return
    roles = check_messages(messages, ("messages",), calls, notes)
    check_image_count(messages, ("messages",), notes)
    if roles[-1] not in ("user", None):
        notes.add("FT411", ("messages", len(roles) - 1, "role"), found=shown(roles[-1]))
