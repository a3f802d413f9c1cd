"""Function names that services refuse, written otherwise in definitions, calls and results alike."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from orchestrator.dataset.convert.changes import Changes, NotConvertible
from orchestrator.dataset.findings import shown

_REFUSED = re.compile(r"[^a-zA-Z0-9_-]+")
_LONGEST_NAME = 64


@dataclass
class Renaming:
    """The new names given so far in one file; one name always becomes the same other one."""

    names: dict[str, str] = field(default_factory=dict)
    _taken: dict[str, str] = field(default_factory=dict)

    def applied(self, example: dict[str, Any], changes: Changes) -> dict[str, Any]:
        """The example with names that services take. Raises NotConvertible where two names become one."""
        renamed: dict[str, Any] = self._walked(example)
        if renamed != example:
            changes.note("functions renamed in definitions and calls")
        return renamed

    def _walked(self, holder: dict[str, Any]) -> dict[str, Any]:
        done = dict(holder)
        if isinstance(done.get("input"), dict):
            done["input"] = self._walked(done["input"])
        for key in ("messages", "preferred_output", "non_preferred_output"):
            if isinstance(done.get(key), list):
                done[key] = [self._message(message) for message in done[key]]
        if isinstance(done.get("tools"), list):
            done["tools"] = [self._framed(tool) for tool in done["tools"]]
        return done

    def _message(self, message: dict[str, Any]) -> dict[str, Any]:
        if message.get("tool_calls"):
            message = {**message, "tool_calls": [self._framed(call) for call in message["tool_calls"]]}
        if message.get("role") == "tool" and isinstance(message.get("name"), str):
            message = {**message, "name": self._new(message["name"])}
        return message

    def _framed(self, frame: Any) -> Any:
        function = frame.get("function") if isinstance(frame, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            return frame
        return {**frame, "function": {**function, "name": self._new(function["name"])}}

    def _new(self, name: str) -> str:
        new = _REFUSED.sub("_", name)[:_LONGEST_NAME]
        owner = self._taken.setdefault(new, name)
        if owner != name:
            advice = "Rename one of them in the file first."
            raise NotConvertible(f"the functions {shown(owner)} and {shown(name)} would both become {new}", advice)
        if new != name:
            self.names[name] = new
        return new
