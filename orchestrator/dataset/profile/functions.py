"""One function of a file: how it is defined, how often it is declared and called, and with which arguments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from orchestrator.dataset.profile.fingerprints import canonical, digest, json_text
from orchestrator.dataset.toollists import ToolList
from orchestrator.dataset.variants import declared_functions

DISTINCT_VALUES = 200
"""Different values of an argument that are counted separately."""

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

    @property
    def has_all_variants(self) -> bool:
        """Whether further definitions are counted together."""
        return len(self.variants) >= _VARIANTS

    def variant(self, identity: int, text: bytes, line: int) -> Variant | None:
        """The definition with this hash; None where there are too many to keep apart."""
        found = self.variants.get(identity)
        if found is None and not self.has_all_variants:
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


# --- Parameters of a definition ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parameter:
    """One parameter. Parameters inside objects have dotted paths, those of array items `[]`, as `stops[].city`."""

    path: str
    required: bool
    choices: tuple[Any, ...]
    """The values of its enum; () where it has none."""
    described: bool

    @property
    def is_outer(self) -> bool:
        """True for a parameter of the function itself, not of an object among its arguments."""
        return "." not in self.path and "[]" not in self.path


def parameters_of(definition: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """The parameters of a function definition, in its order, to five levels of objects and arrays."""
    return tuple(_inside(definition.get("parameters"), "", 0))


def value_key(value: Any) -> str | bytes:
    """A value as a member of a set, in which the text "1" and the number 1 differ; long texts by their start."""
    return value[:64] if isinstance(value, str) else json_text(value)[:64]


def shown_key(key: str | bytes) -> str:
    """A value's key as JSON text."""
    return orjson.dumps(key).decode() if isinstance(key, str) else key.decode("utf-8", "replace")


def _inside(schema: Any, prefix: str, depth: int) -> Iterator[Parameter]:
    if not isinstance(schema, Mapping) or depth >= _DEEPEST:
        return
    properties, required = schema.get("properties"), schema.get("required")
    for name, inner in properties.items() if isinstance(properties, Mapping) else ():
        if not isinstance(inner, Mapping):
            continue
        path, choices = f"{prefix}{name}", inner.get("enum")
        yield Parameter(
            path,
            required=isinstance(required, list) and name in required,
            choices=tuple(choices) if isinstance(choices, list) else (),
            described=bool(inner.get("description")),
        )
        yield from _inside(inner, f"{path}.", depth + 1)
        yield from _items(inner, path, depth)


def _items(schema: Mapping[str, Any], path: str, depth: int) -> Iterator[Parameter]:
    items = schema.get("items")
    if isinstance(items, Mapping):
        choices = items.get("enum")
        if isinstance(choices, list):
            # Items always are there where the array is, and their description stands at the array.
            yield Parameter(f"{path}[]", required=True, choices=tuple(choices), described=True)
        yield from _inside(items, f"{path}[].", depth + 1)


# --- All functions of a file -------------------------------------------------------------------------------------


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
    _by_text: dict[bytes, _Toolset] = field(default_factory=dict)
    """Those of lists that a reader recognised by their text."""
    _by_identities: dict[tuple[int, ...], _Toolset] = field(default_factory=dict)
    """All of them, by the hashes of their definitions."""

    def declare(self, line: int, holder: Mapping[str, Any]) -> int:
        """Take up what an example declares; returns a hash of it, 0 where it declares nothing."""
        tools, functions = holder.get("tools"), holder.get("functions")
        if not tools and not functions:
            self.without += 1
            return 0
        if isinstance(tools, ToolList) and not functions:
            toolset = self._known_list(line, tools, holder)
        else:
            toolset = self._toolset(line, holder)
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
        for toolset in self._by_identities.values():
            for function, variant in toolset.members:
                function.declared += toolset.uses
                if variant is None:
                    function.more_variants += toolset.uses
                else:
                    variant.declared += toolset.uses
        self._by_text.clear()
        self._by_identities.clear()

    def _known_list(self, line: int, tools: ToolList, holder: Mapping[str, Any]) -> _Toolset:
        toolset = self._by_text.get(tools.text)
        if toolset is None:
            toolset = self._toolset(line, holder)
            if len(self._by_text) >= _TOOLSETS_KEPT:
                self._by_text.clear()
            self._by_text[tools.text] = toolset
        return toolset

    def _toolset(self, line: int, holder: Mapping[str, Any]) -> _Toolset:
        """Its identity is that of its definitions, whether they are in `tools` or in the legacy `functions`."""
        definitions = [*declared_functions(holder)]
        identities = tuple([digest(canonical(definition)) for definition in definitions])
        toolset = self._by_identities.get(identities)
        if toolset is None:
            if len(self._by_identities) >= _TOOLSETS_KEPT:
                self.settle()
            members = [*self._members(line, definitions, identities)]
            toolset = self._by_identities[identities] = _Toolset(digest(canonical(identities)), members)
        return toolset

    def _members(
        self, line: int, definitions: Iterable[Mapping[str, Any]], identities: Iterable[int]
    ) -> Iterator[tuple[Function, Variant | None]]:
        for definition, identity in zip(definitions, identities, strict=True):
            if (function := self._function(str(definition.get("name")), line)) is not None:
                text = b"" if function.has_all_variants else json_text(definition)
                yield function, function.variant(identity, text, line)

    def _function(self, name: str, line: int) -> Function | None:
        function = self.functions.get(name)
        if function is None and len(self.functions) < MOST_FUNCTIONS:
            function = self.functions[name] = Function(name, line)
        return function
