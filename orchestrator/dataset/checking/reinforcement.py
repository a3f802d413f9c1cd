"""The shape of a reinforcement example: a conversation that ends with a prompt; other keys are the grader's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.dataset.checking.calls import Calls
from orchestrator.dataset.checking.conversation import check_messages, listed_messages
from orchestrator.dataset.checking.declarations import check_declarations
from orchestrator.dataset.checking.findings import Notes, shown
from orchestrator.dataset.checking.formats import note_foreign_row
from orchestrator.dataset.checking.parts import check_image_count


def check_reinforcement(row: Mapping[str, Any], notes: Notes) -> None:
    """Note what is wrong with `{"messages": […], "tools"?: […], …}`."""
    if "messages" not in row and note_foreign_row(row, notes):
        return
    calls = Calls(check_declarations(row, (), notes))
    messages = listed_messages(row, (), notes)
    if messages is None:
        return
    roles = check_messages(messages, ("messages",), calls, notes)
    check_image_count(messages, ("messages",), notes)
    if roles[-1] not in ("user", None):
        notes.add("FT411", ("messages", len(roles) - 1, "role"), found=shown(roles[-1]))
