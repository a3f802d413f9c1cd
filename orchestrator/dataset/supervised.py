"""The shape of a supervised example: a conversation that ends with the answer to learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.dataset.calls import Calls
from orchestrator.dataset.conversation import check_ends_with_answer, check_messages, listed_messages
from orchestrator.dataset.declarations import check_declarations
from orchestrator.dataset.findings import Notes
from orchestrator.dataset.formats import note_foreign_row


def check_supervised(row: Mapping[str, Any], notes: Notes) -> None:
    """Note what is wrong with `{"messages": […], "tools"?: […]}`."""
    if "messages" not in row and note_foreign_row(row, notes):
        return
    calls = Calls(check_declarations(row, (), notes))
    messages = listed_messages(row, (), notes)
    if messages is not None:
        check_messages(messages, ("messages",), calls, notes)
        check_ends_with_answer(messages, ("messages",), notes)
