"""Turn a target with its request into a training example or an evaluation case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.dataset.profile.answers import TEMPLATE
from orchestrator.dataset.profile.fingerprints import json_text
from orchestrator.generation.calls import Call, Function, Kind, Written
from orchestrator.jobfile.generate import Generate

_CANT = "I can't do that with the functions I have."
_RESULT = '{"status": "ok"}'
_SLICES = {Kind.REJECT: "nearly-possible", Kind.MISSING: "value-missing", Kind.TURNS: "several-turns"}


class Writer:
    """Makes rows in the training format; `functions` are declared in each.

    If `is_marked`, the request's `name` says that it comes from a template.
    """

    def __init__(self, functions: Sequence[Function], settings: Generate, *, is_marked: bool = False) -> None:
        self._mark = {"name": TEMPLATE} if is_marked else {}
        self._tools = json_text([function.definition for function in functions])
        self._settings = settings

    def row(self, written: Written) -> bytes:
        """The training example as a line of JSON, with no keys beyond the training format."""
        return b"{" + self._members(written)

    def case(self, written: Written) -> bytes:
        """The same as an evaluation case, with its cluster and its slice."""
        target = written.target
        name = _SLICES.get(target.kind, "parallel" if len(target.calls) > 1 else target.style.value)
        head = {"id": target.id, "slice": name, "cluster": target.cell}
        return json_text(head)[:-1] + b"," + self._members(written)

    def _members(self, written: Written) -> bytes:
        """The definitions are the same in each row, so they are serialised once."""
        messages = json_text([*self.request(written), *self._answer(written)])
        target = written.target
        several = len(target.calls) > 1 or len(target.then) > 1
        end = b"}\n" if several else b',"parallel_tool_calls":false}\n'
        return b'"messages":' + messages + b',"tools":' + self._tools + end

    def request(self, written: Written) -> list[dict[str, Any]]:
        """The messages before the first answer."""
        system = self._settings.system
        head = [{"role": "system", "content": system}] if system else []
        return [*head, {"role": "user", **self._mark, "content": written.text}]

    def second_request(self, written: Written) -> list[dict[str, Any]]:
        """TURNS: the messages before the second answer."""
        return [*self.request(written), *self._first_turn(written)]

    def _answer(self, written: Written) -> list[dict[str, Any]]:
        target = written.target
        if target.kind == Kind.TURNS:
            calls = _calling(target.then, first=len(target.calls))
            return [*self._first_turn(written), calls]
        if target.kind == Kind.CALL:
            return [_calling(target.calls)]
        if target.kind == Kind.MISSING and self._settings.when_missing == "ask":
            return [{"role": "assistant", "content": written.answer}]
        if self._settings.rejection_tool:
            return [_calling((Call(self._settings.rejection_tool, {}),))]
        return [{"role": "assistant", "content": written.answer if target.kind == Kind.REJECT else _CANT}]

    def _first_turn(self, written: Written) -> list[dict[str, Any]]:
        calls = _calling(written.target.calls)
        results = [{"role": "tool", "tool_call_id": each["id"], "content": _RESULT} for each in calls["tool_calls"]]
        said = {"role": "assistant", "content": written.answer or "Done."}
        return [calls, *results, said, {"role": "user", **self._mark, "content": written.then}]


def _calling(calls: Sequence[Call], first: int = 0) -> dict[str, Any]:
    """The assistant's message with these calls, whose ids count on from `first`."""
    entries = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": call.name, "arguments": json_text(call.arguments).decode()},
        }
        for number, call in enumerate(calls, start=first)
    ]
    return {"role": "assistant", "content": None, "tool_calls": entries}
