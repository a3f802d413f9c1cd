"""One function of a file: how it is defined, how often it is declared and called, and with which arguments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from orchestrator.dataset.survey.fingerprints import canonical
from orchestrator.dataset.survey.parameters import Parameter, parameters_of, value_key

DISTINCT_VALUES = 200
"""So many different values of an argument are kept apart."""

_VARIANTS = 8
_COMBINATIONS = 64
_DEEPEST = 5
_ITEMS = 100


@dataclass
class Variant:
    """One of the definitions that lines give of the same function."""

    text: bytes
    """JSON text, with keys in the order of the first line that has them."""
    first_line: int
    declared: int = 0

    @property
    def definition(self) -> bytes:
        """JSON text with sorted keys, which is equal for equal definitions."""
        return canonical(self.parsed())

    def parsed(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.text)
        return found


@dataclass
class Argument:
    """How one argument was given in all calls. `given` counts the calls, or the objects that hold it."""

    given: int = 0
    values: set[str | bytes] = field(default_factory=set)
    """The first 200 different ones, see `value_key`; those of objects and arrays are counted inside them."""

    def add(self, value: Any) -> None:
        self.given += 1
        if len(self.values) < DISTINCT_VALUES:
            self.values.add(value_key(value))

    def merge(self, later: Argument) -> None:
        self.given += later.given
        self.values.update(later.values)


@dataclass
class Function:
    """Everything that a file says of one function."""

    name: str
    first_line: int
    declared: int = 0
    called: int = 0
    variants: dict[int, Variant] = field(default_factory=dict)
    """By the hash of the definition, most of them 8."""
    more_variants: int = 0
    """Declarations beyond those variants."""
    combinations: Counter[frozenset[str]] = field(default_factory=Counter)
    """Which arguments were given together, and in how many calls; the first 64 combinations."""
    arguments: dict[str, Argument] = field(default_factory=dict)
    """By path, as in `Parameter`."""

    def variant(self, identity: int, text: bytes, line: int) -> Variant | None:
        """The definition with this hash; None where there are too many to keep apart."""
        found = self.variants.get(identity)
        if found is None and len(self.variants) < _VARIANTS:
            found = self.variants[identity] = Variant(text, line)
        return found

    def add_call(self, arguments: Any) -> None:
        self.called += 1
        if not isinstance(arguments, dict):
            return
        given = frozenset(arguments)
        if given in self.combinations or len(self.combinations) < _COMBINATIONS:
            self.combinations[given] += 1
        for name, value in arguments.items():
            self._add_argument(name, value, 1)

    def merge(self, later: Function, line_offset: int) -> None:
        """Take up the same function of a later part of the file, which starts behind `line_offset` lines."""
        self.declared += later.declared
        self.called += later.called
        self.more_variants += later.more_variants
        for identity, variant in later.variants.items():
            known = self.variant(identity, variant.text, variant.first_line + line_offset)
            if known is None:
                self.more_variants += variant.declared
            else:
                known.declared += variant.declared
        self.combinations.update(later.combinations)
        for path, argument in later.arguments.items():
            self.arguments.setdefault(path, Argument()).merge(argument)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Those of the definition that most lines give; () where the function is never declared."""
        if not self.variants:
            return ()
        usual = max(self.variants.values(), key=lambda variant: variant.declared)
        return parameters_of(usual.parsed())

    @property
    def definitions(self) -> list[Variant]:
        """The definitions from the most frequent to the rarest."""
        return sorted(self.variants.values(), key=lambda variant: (-variant.declared, variant.first_line))

    def _add_argument(self, path: str, value: Any, depth: int) -> None:
        argument = self.arguments.get(path)
        if argument is None:
            argument = self.arguments[path] = Argument()
        if isinstance(value, dict):
            argument.given += 1
            self._add_members(path, value, depth)
        elif isinstance(value, list):
            argument.given += 1
            for item in value[:_ITEMS]:
                if isinstance(item, dict):
                    self._add_members(f"{path}[]", item, depth)
                elif not isinstance(item, list):
                    self.arguments.setdefault(f"{path}[]", Argument()).add(item)
        else:
            argument.add(value)

    def _add_members(self, path: str, value: Mapping[str, Any], depth: int) -> None:
        if depth < _DEEPEST:
            for name, inner in value.items():
                self._add_argument(f"{path}.{name}", inner, depth + 1)
