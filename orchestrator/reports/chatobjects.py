"""The object behind `ftorch chat --json`."""

from __future__ import annotations

from typing import Any

from orchestrator.chat.api import Chat
from orchestrator.chat.conversation import Outcome, Reply


def reply_object(chat: Chat, request: str, reply: Reply) -> dict[str, Any]:
    """One request and how it ended."""
    return {
        "model": chat.partner.model,
        "endpoint": chat.partner.config.name,
        "run": chat.partner.run.id if chat.partner.run else None,
        "variant": chat.terms.variant,
        "request": request,
        "answer": reply.text,
        "rejected_by": reply.rejection.name if reply.rejection else None,
        "refused": reply.refused,
        "cut": reply.cut,
        "calls": [_call_object(outcome) for outcome in reply.outcomes],
        "requests": reply.requests,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "notes": list(chat.terms.notes),
    }


def _call_object(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.call.name,
        "arguments": outcome.call.arguments,
        "fate": outcome.fate,
        "result": outcome.text if not outcome.problem else None,
        "problem": outcome.problem or None,
        "seconds": round(outcome.seconds, 3),
    }
