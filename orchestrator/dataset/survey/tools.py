"""The functions of a file: which are declared, in which forms, and what calls show of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.dataset.survey.fingerprints import canonical, digest, json_text
from orchestrator.dataset.survey.functions import Function, Variant
from orchestrator.dataset.variants import declared_functions

MOST_FUNCTIONS = 5000
"""Functions with further names are left out of account."""

_TOOLSETS_KEPT = 256


@dataclass
class _Toolset:
    """A list of tools as examples declare it. `uses` waits to be counted for each of its functions."""

    identity: int
    members: list[tuple[Function, Variant | None]]
    uses: int = 0


@dataclass
class Tools:
    """All functions that examples declare or call."""

    functions: dict[str, Function] = field(default_factory=dict)
    without: int = 0
    """Examples that declare none."""
    _by_object: dict[int, tuple[Any, _Toolset]] = field(default_factory=dict)
    """A reader that caches hands out the same list again; kept with it, so that no other list gets its number."""
    _by_content: dict[bytes, _Toolset] = field(default_factory=dict)

    def declare(self, line: int, holder: Mapping[str, Any]) -> int:
        """Take up what an example declares; returns a hash of it, 0 where it declares nothing."""
        tools, functions = holder.get("tools"), holder.get("functions")
        source = [*tools, *functions] if tools and functions else tools or functions
        if not source:
            self.without += 1
            return 0
        known = self._by_object.get(id(source))
        toolset = known[1] if known is not None else self._toolset(line, source, holder)
        toolset.uses += 1
        return toolset.identity

    def call(self, line: int, name: str, arguments: Any) -> None:
        """Take up a call that is trained on."""
        function = self._function(name, line)
        if function is not None:
            function.add_call(arguments)

    def merge(self, later: Tools, line_offset: int) -> None:
        """Take up the functions of a later part of the same file, which starts behind `line_offset` lines."""
        self.settle()
        later.settle()
        self.without += later.without
        for name, function in later.functions.items():
            if (known := self._function(name, function.first_line + line_offset)) is not None:
                known.merge(function, line_offset)

    def __getstate__(self) -> dict[str, Any]:
        self.settle()
        return self.__dict__

    def settle(self) -> None:
        """Count the examples of each list of tools for its functions; the figures are whole only afterwards."""
        for toolset in self._by_content.values():
            for function, variant in toolset.members:
                function.declared += toolset.uses
                if variant is None:
                    function.more_variants += toolset.uses
                else:
                    variant.declared += toolset.uses
        self._by_object.clear()
        self._by_content.clear()

    def _toolset(self, line: int, source: Any, holder: Mapping[str, Any]) -> _Toolset:
        content = canonical(source)
        toolset = self._by_content.get(content)
        if toolset is None:
            if len(self._by_content) >= _TOOLSETS_KEPT:
                self.settle()
            toolset = self._by_content[content] = _Toolset(digest(content), self._members(line, holder))
        if len(self._by_object) >= _TOOLSETS_KEPT:
            self._by_object.clear()
        self._by_object[id(source)] = (source, toolset)
        return toolset

    def _members(self, line: int, holder: Mapping[str, Any]) -> list[tuple[Function, Variant | None]]:
        members = []
        for definition in declared_functions(holder):
            if (function := self._function(str(definition.get("name")), line)) is not None:
                identity = digest(canonical(definition))
                members.append((function, function.variant(identity, json_text(definition), line)))
        return members

    def _function(self, name: str, line: int) -> Function | None:
        function = self.functions.get(name)
        if function is None and len(self.functions) < MOST_FUNCTIONS:
            function = self.functions[name] = Function(name, line)
        return function
