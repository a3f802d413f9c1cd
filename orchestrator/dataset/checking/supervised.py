"""The shape of a supervised example: a conversation that ends with the answer to learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.dataset.checking.calls import Calls
from orchestrator.dataset.checking.conversation import check_ends_with_answer, check_messages, listed_messages
from orchestrator.dataset.checking.declarations import check_declarations
from orchestrator.dataset.checking.findings import Notes
from orchestrator.dataset.checking.formats import note_foreign_row
from orchestrator.dataset.checking.parts import check_image_count


def check_supervised(row: Mapping[str, Any], notes: Notes) -> None:
    """Note what is wrong with `{"messages": […], "tools"?: […]}`."""
    if "messages" not in row and note_foreign_row(row, notes):
        return
    calls = Calls(check_declarations(row, (), notes))
    messages = listed_messages(row, (), notes)
    if messages is not None:
        roles = check_messages(messages, ("messages",), calls, notes)
        check_image_count(messages, ("messages",), notes)
        check_ends_with_answer(roles, ("messages",), notes)
