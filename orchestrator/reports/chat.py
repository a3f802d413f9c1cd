"""What a chat shows: the model, each call before it is executed, its result, and the answer."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console

from orchestrator.api.chat import Chat
from orchestrator.chat.conversation import Fate, Outcome, Reply
from orchestrator.chat.targets import Target
from orchestrator.chat.terms import Terms
from orchestrator.reports.text import plural, print_wrapped, printable
from orchestrator.tools.calls import ReadyCall, written

_REHEARSAL = (
    "local: a small model trained on this machine answers, not the model you name. "
    "It repeats what functions return and can't reason."
)
_MOST_NAMES = 6
_FORMS = {"no-descriptions": "without descriptions", "no-parameters": "without parameters", "no-tools": "not sent"}
_LONGEST_SHOWN = 600
"""Characters of a result; the model gets all of it."""
_CODES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_FATES = {
    Fate.RAISED: "it raised",
    Fate.STOPPED: "stopped",
    Fate.DECLINED: "not executed",
    Fate.REFUSED: "not executed",
}


def print_partner(chat: Chat, console: Console) -> None:
    """The model, its tools, and where the chat differs from training."""
    target, terms = chat.target, chat.terms
    console.print(f"{printable(target.model)} on {target.config.name}", style="bold", soft_wrap=True)
    print_terms(terms, target, console)
    if terms.tools and terms.variant != "no-tools" and not terms.executes:
        print_wrapped("Calls are shown and not executed: these tools have no functions.", console, hanging="")


def print_terms(terms: Terms, target: Target, console: Console) -> None:
    """What goes with each request, and where that differs from training."""
    if terms.tools:
        print_wrapped(f"tools   {_tools(terms)}", console, hanging=" " * 8)
    if terms.system is not None:
        print_wrapped(f"system  {printable(str(terms.system.get('content')))}", console, hanging=" " * 8)
    if target.is_rehearsal:
        print_wrapped(_REHEARSAL, console, hanging="")
    for note in terms.notes:
        console.print(f"Note: {printable(note)}", style="yellow", soft_wrap=True)


def _tools(terms: Terms) -> str:
    names = [printable(tool.name) for tool in terms.tools]
    shown = ", ".join(names[:_MOST_NAMES])
    if len(names) > _MOST_NAMES:
        shown = f"{len(names)}: {shown} and {len(names) - _MOST_NAMES} more"
    form = _FORMS.get(terms.variant, "")
    source = f"from {printable(_nearby(terms.tools_from))}" if terms.tools_from else ""
    added = ", ".join(each for each in (form, source) if each)
    return f"{shown} ({added})" if added else shown


def _nearby(path: str) -> str:
    """The path from the current folder, where it is below."""
    return str(Path(path).relative_to(Path.cwd())) if Path(path).is_relative_to(Path.cwd()) else path


def print_call(call: ReadyCall, console: Console) -> None:
    """A call, in full: it is what the user allows."""
    console.print(f"  {visible(call.written)}", style="cyan", soft_wrap=True)


def print_outcome(outcome: Outcome, console: Console, *, with_traceback: bool) -> None:
    """How a call ended."""
    if outcome.fate in (Fate.SHOWN, Fate.GIVEN):
        return
    if outcome.fate is Fate.EXECUTED:
        console.print(f"  → {_shortened(outcome.text)}", soft_wrap=True)
        return
    if outcome.arguments is None:
        written = f"{visible(outcome.call.name)} {_shortened(outcome.call.arguments)}"
        console.print(f"  {written}", style="cyan", soft_wrap=True)
    if outcome.fate is Fate.REJECTION:
        console.print("  → the model rejects the request", soft_wrap=True)
        return
    console.print(f"  → {_FATES[outcome.fate]}: {visible(outcome.problem)}", style="yellow", soft_wrap=True)
    if with_traceback and outcome.traceback:
        console.print("\n".join(map(printable, outcome.traceback.splitlines())), soft_wrap=True)


def print_spent(replies: Iterable[Reply], console: Console) -> None:
    """Requests and tokens of the chat."""
    found = list(replies)
    requests = plural(sum(reply.requests for reply in found), "request")
    prompt, completion = sum(each.prompt_tokens for each in found), sum(each.completion_tokens for each in found)
    console.print(f"{requests}, {prompt:,} prompt and {completion:,} completion tokens", style="dim")


def answer_text(reply: Reply) -> str:
    """The answer, safe for a terminal: a text, the call that rejects the request, or calls without functions."""
    if reply.calls:
        return "\n".join(_written(outcome) for outcome in reply.calls)
    if reply.rejection is not None:
        return visible(f"{reply.rejection.name} {reply.rejection.arguments}")
    return "\n".join(printable(line) for line in reply.text.splitlines())


def _written(outcome: Outcome) -> str:
    call = outcome.call
    return visible(
        f"{call.name}({call.arguments})" if outcome.arguments is None else written(call.name, outcome.arguments)
    )


def doubts(reply: Reply) -> list[str]:
    """What to say about an answer that is incomplete or missing."""
    found = []
    if reply.refused:
        found.append("the model refused, or the endpoint's content filter stopped it")
    if reply.cut:
        found.append("the answer is cut: it reached the token limit")
    if not reply.text and reply.rejection is None and not reply.refused and not reply.calls:
        found.append("the answer is empty")
    return found


def visible(text: str) -> str:
    """The text on one line, with invisible characters written as their codes."""
    return "".join(each if _is_seen(each) else _CODES.get(each, f"\\u{ord(each):04x}") for each in text)


def _is_seen(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST_SHOWN:
        return visible(text)
    return f"{visible(text[:_LONGEST_SHOWN])} … ({len(text):,} characters in total)"


# --- The object behind `ftorch chat --json` -------------------------------------------------------------------


def reply_object(chat: Chat, request: str, reply: Reply) -> dict[str, Any]:
    """One request and how it ended."""
    return {
        "model": chat.target.model,
        "endpoint": chat.target.config.name,
        "run": chat.target.run.id if chat.target.run else None,
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
