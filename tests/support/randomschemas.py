"""Random schemas of arguments, and the functions that have them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from orchestrator.generation.calls import Function


def function(properties: Any, required: Any = (), *, name: Any = "f", **more: Any) -> Function:
    """A function with these parameters."""
    schema = {"type": "object", "properties": properties, "required": list(required), **more}
    definition = {"type": "function", "function": {"name": name, "description": "", "parameters": schema}}
    return Function(name, "", schema, definition)


def schemas() -> st.SearchStrategy[dict[str, Any]]:
    """Keyword arguments of `function`."""
    return st.builds(
        lambda drawn, more: {**drawn, **more},
        _members("abcd", _parameters()),
        st.sampled_from(({}, {}, {}, {"additionalProperties": False}, {"minProperties": 1}, {"maxProperties": 2})),
    )


def _members(names: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    some = st.dictionaries(st.sampled_from(names), values, max_size=len(names))
    return some.flatmap(
        lambda properties: st.fixed_dictionaries({
            "properties": st.just(properties),
            "required": st.lists(st.sampled_from(sorted(properties)), unique=True) if properties else st.just([]),
        })
    )  # fmt: skip


def _parameters() -> st.SearchStrategy[Any]:
    leaf = _leaf()
    inner = _members("xy", leaf).map(lambda drawn: {"type": "object", **drawn})
    branches = st.tuples(
        _members("pq", leaf).map(lambda drawn: {"type": "object", **drawn, "additionalProperties": False}),
        _members("rs", leaf).map(lambda drawn: {"type": "object", **drawn, "additionalProperties": False}),
        st.sampled_from(({"type": "null"}, {"type": "string"}, {"type": "integer", "minimum": 2})),
    )
    merged = st.lists(_integers(), min_size=2, max_size=3).map(lambda parts: {"allOf": parts})
    either = st.builds(lambda keyword, drawn: {keyword: list(drawn)}, st.sampled_from(("anyOf", "oneOf")), branches)
    return st.one_of(leaf, leaf, inner, either, merged, _arrays(leaf), _arrays(inner))


def _leaf() -> st.SearchStrategy[Any]:
    scalars = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text("ab ", max_size=3), st.just(0.5))
    formats = ("date", "date-time", "time", "email", "uri", "uuid", "ipv4", "ipv6", "hostname", "nonsense")
    plain = ("boolean", "null", "string", "integer", "number", ["string", "null"], ["integer", "string", "boolean"])
    patterns = ("^[A-Z]{3}-\\d{2,4}$", "^(ab|c)+$", "[^a-y]x?", "^\\w+@\\w+\\.com$", "^(?!a)b$")
    return st.one_of(
        st.lists(scalars, min_size=1, max_size=4, unique_by=repr).map(lambda values: {"enum": values}),
        scalars.map(lambda value: {"const": value}),
        st.sampled_from(plain).map(lambda kind: {"type": kind}),
        st.sampled_from(formats).map(lambda form: {"type": "string", "format": form}),
        st.sampled_from(patterns).map(lambda pattern: {"type": "string", "pattern": pattern}),
        st.booleans(),
        _integers(),
        _bounded(
            "number", st.sampled_from((-2.5, 0, 0.1, 1, 3.75, 1e6)), "minimum", "exclusiveMaximum", "multipleOf"
        ),
        _bounded("string", st.integers(0, 80), "minLength", "maxLength"),
    )


def _integers() -> st.SearchStrategy[Any]:
    return _bounded("integer", st.integers(-30, 30), "minimum", "maximum", "exclusiveMinimum", "multipleOf")


def _bounded(kind: str, limits: st.SearchStrategy[Any], *keywords: str) -> st.SearchStrategy[Any]:
    some = st.fixed_dictionaries({}, optional=dict.fromkeys(keywords, limits))
    return some.map(lambda drawn: {"type": kind, **drawn, **_positive(drawn)})


def _positive(drawn: dict[str, Any]) -> dict[str, Any]:
    return {"multipleOf": abs(drawn["multipleOf"]) or 1} if "multipleOf" in drawn else {}


def _arrays(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    limits = {"minItems": st.integers(0, 3), "maxItems": st.integers(0, 12), "uniqueItems": st.booleans()}
    return st.builds(
        lambda drawn, item: {"type": "array", "items": item, **drawn},
        st.fixed_dictionaries({}, optional=limits),
        items,
    )
