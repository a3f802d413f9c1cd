"""The slots of a tool's arguments, read from its JSON Schema.

A schema can always be read: an unknown construct becomes a free string.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log
from typing import Any, Literal, cast

from orchestrator.server.trainers.tiny.text import content_stems, name_stems

Kind = Literal["choice", "number", "integer", "string", "object", "array"]
DEEPEST = 6


@dataclass(frozen=True)
class Slot:
    """One place to fill: an argument, a property inside one, or the items of a list."""

    path: str
    kind: Kind
    required: bool
    choices: tuple[Any, ...]
    """The allowed values, if the schema lists them (enum, const, boolean, null)."""
    children: tuple[tuple[str, Slot], ...]
    item: Slot | None
    name_words: frozenset[str]
    about: frozenset[str]
    default: Any = None


@dataclass(frozen=True)
class Tool:
    """One function with its slots and the stems that indicate it."""

    name: str
    root: Slot
    weights: Mapping[str, float]
    """How strongly each stem of its definition indicates it: its name more than its parameters."""


@dataclass(frozen=True)
class Toolbox:
    """The tools on offer."""

    tools: tuple[Tool, ...]
    rarity: Mapping[str, float]
    """For each stem of the definitions, 1 if one tool has it, towards 0 if all have it."""


def toolbox(definitions: Sequence[Mapping[str, Any]]) -> Toolbox:
    """The tools of these function objects; read only once for the same definitions."""
    return _toolbox(json.dumps(list(definitions), default=str))


@lru_cache(maxsize=64)
def _toolbox(definitions: str) -> Toolbox:
    tools = tuple(_tool(definition) for definition in json.loads(definitions))
    held = Counter(stem for tool in tools for stem in tool.weights)
    most = log(1 + len(tools))
    return Toolbox(tools, {stem: log(1 + len(tools) / count) / most for stem, count in held.items()})


def _tool(definition: Mapping[str, Any]) -> Tool:
    name = str(definition.get("name", ""))
    schema = _mapping(definition.get("parameters"))
    root = _Reader(schema).slot(name, {**schema, "type": "object"}, name, required=True, depth=0)
    weights: dict[str, float] = {}
    _speak(weights, _words_below(root), 0.7)
    _speak(weights, content_stems(str(definition.get("description") or "")), 1.0)
    _speak(weights, name_stems(name), 1.5)
    return Tool(name, root, weights)


def _speak(weights: dict[str, float], stems: Iterable[str], weight: float) -> None:
    for stem in stems:
        weights[stem] = max(weight, weights.get(stem, 0.0))


def _words_below(slot: Slot) -> list[str]:
    """The stems of every name, description and choice under a slot."""
    found = [*sorted(slot.about), *(stem for value in slot.choices for stem in content_stems(str(value)))]
    for name, child in slot.children:
        found += [*name_stems(name), *_words_below(child)]
    return found + (_words_below(slot.item) if slot.item else [])


class _Reader:
    """Reads one parameters object; has its definitions, which `$ref` points to."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def slot(self, path: str, schema: Any, name: str, *, required: bool, depth: int) -> Slot:
        plain, nullable = self._plain(_mapping(schema), depth)
        kind = _kind(plain) if depth <= DEEPEST else "string"
        null = (None,) if nullable and kind != "choice" else ()
        return Slot(
            path=path,
            kind=kind,
            required=required,
            choices=_choices(plain, nullable) if kind == "choice" else null,
            children=self._children(path, plain, depth) if kind == "object" else (),
            item=self._item(path, plain, name, depth) if kind == "array" else None,
            name_words=frozenset(name_stems(name)),
            about=frozenset(content_stems(str(plain.get("description") or ""))),
            default=plain.get("default"),
        )

    def _children(self, path: str, schema: Mapping[str, Any], depth: int) -> tuple[tuple[str, Slot], ...]:
        listed = schema.get("required")
        required = {name for name in listed if isinstance(name, str)} if isinstance(listed, list) else set()
        return tuple(
            (name, self.slot(f"{path}.{name}", value, name, required=name in required, depth=depth + 1))
            for name, value in _mapping(schema.get("properties")).items()
        )

    def _item(self, path: str, schema: Mapping[str, Any], name: str, depth: int) -> Slot:
        return self.slot(f"{path}[]", schema.get("items"), name, required=True, depth=depth + 1)

    def _plain(self, schema: Mapping[str, Any], depth: int) -> tuple[Mapping[str, Any], bool]:
        """The schema without references and alternatives, and whether null is one of them."""
        nullable = schema.get("nullable") is True
        for _ in range(DEEPEST):
            options = _list(schema.get("anyOf")) or _list(schema.get("oneOf"))
            nullable = nullable or any(_mapping(option).get("type") == "null" for option in options)
            inner = next((o for o in map(_mapping, options) if o.get("type") != "null"), None)
            if isinstance(schema.get("$ref"), str):
                inner = self._referred(schema["$ref"])
            if inner is None:
                break
            schema = {**{k: v for k, v in schema.items() if k not in ("anyOf", "oneOf", "$ref")}, **inner}
        for part in map(_mapping, _list(schema.get("allOf"))):
            schema = {**schema, **(self._referred(part["$ref"]) if isinstance(part.get("$ref"), str) else part)}
        return schema, nullable or "null" in _list(schema.get("type"))

    def _referred(self, reference: str) -> Mapping[str, Any]:
        """The target of a local reference such as `#/$defs/Point`; empty if there is none."""
        here: Any = self._document
        for step in reference.removeprefix("#").strip("/").split("/"):
            here = _mapping(here).get(step.replace("~1", "/").replace("~0", "~"))
        return _mapping(here)


def _kind(schema: Mapping[str, Any]) -> Kind:
    if _list(schema.get("enum")) or "const" in schema:
        return "choice"
    declared = [name for name in _list(schema.get("type")) or [schema.get("type")] if name != "null"]
    kind = declared[0] if declared else "null"
    if kind in ("boolean", "null") and "type" in schema:
        return "choice"
    if kind in ("number", "integer", "string", "object", "array"):
        return cast(Kind, kind)
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def _choices(schema: Mapping[str, Any], nullable: bool) -> tuple[Any, ...]:
    values = list(_list(schema.get("enum")))
    if not values and "const" in schema:
        values = [schema["const"]]
    if not values:
        values = [True, False] if "boolean" in (_list(schema.get("type")) or [schema.get("type")]) else [None]
    if nullable and None not in values:
        values.append(None)
    return tuple(values)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
