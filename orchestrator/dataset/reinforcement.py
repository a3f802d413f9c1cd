"""The shape of a reinforcement example: a conversation that ends with a prompt; other keys are the grader's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.dataset.calls import Calls
from orchestrator.dataset.conversation import check_messages, listed_messages, role_of
from orchestrator.dataset.declarations import check_declarations
from orchestrator.dataset.findings import Notes, shown
from orchestrator.dataset.formats import note_foreign_row


def check_reinforcement(row: Mapping[str, Any], notes: Notes) -> None:
    """Note what is wrong with `{"messages": […], "tools"?: […], …}`."""
    if "messages" not in row and note_foreign_row(row, notes):
        return
    calls = Calls(check_declarations(row, (), notes))
    messages = listed_messages(row, (), notes)
    if messages is None:
        return
    check_messages(messages, ("messages",), calls, notes)
    last = role_of(messages[-1])
    if last not in ("user", None):
        notes.add("FT411", ("messages", len(messages) - 1, "role"), found=shown(last))
