"""A function's parameters as its definition describes them: unit, default, and other words for values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from orchestrator.dataset.profile.fingerprints import canonical
from orchestrator.generation.calls import Function
from orchestrator.generation.checks.numbers import Unit, units_named
from orchestrator.generation.checks.spoken import STOPWORDS, stem, stems, tokens, word_set, words_of

Path = tuple[str, ...]
"""The keys on the way to a value within the arguments; any index of an array is "*"."""

_MOST_BRANCHES = 64
_SEGMENTS = (re.compile(r"[,;:.]|\bor\b|\band\b"), re.compile(r"[,;:.]|\bor\b"))
_SENTENCES = re.compile(r"(?<=[.;])\s")
_NEGATIVE = re.compile(r"\b(negative|positive)\b")
_CONDITION = re.compile(r"\b(?:only|if|when|with|for|where)\b")
_LEAST_NAMED = 4


@dataclass(frozen=True)
class Parameter:
    """A parameter, or a part of one, as its definition describes it."""

    path: Path
    words: tuple[str, ...]
    """Words of its name."""
    description: str
    kind: str
    """The JSON Schema format of a string, else ""."""
    units: tuple[Unit, ...]
    free: frozenset[bytes]
    """Values, as canonical JSON, that need no words: its default and constants."""
    values: tuple[Any, ...]
    """The values of its enum; () without one."""
    hints: Mapping[str, frozenset[str]]
    """By enum value, the stems of words that the description uses for it and no other value."""
    negative: frozenset[str]
    """Stems of words for values below zero: "negative looks down"."""
    positive: frozenset[str]
    condition: frozenset[str]
    """Words of a condition in the description, such as "only for video"."""
    subject: frozenset[str]
    """Stems of the subject of the function and the parameter, from their names and descriptions."""


def parameter_of(function: Function, path: Path) -> Parameter:
    """The parameter at a path in the arguments; without a schema it has only the words of its name."""
    return _compiled(_Same(function), path)


class _Same:
    """A function as the key of a cache: equal only to itself, since a schema can't be hashed."""

    __slots__ = ("function",)

    def __init__(self, function: Function) -> None:
        self.function = function

    def __hash__(self) -> int:
        return id(self.function.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.function.schema is other.function.schema


@lru_cache(1 << 14)
def _compiled(same: _Same, path: Path) -> Parameter:
    root = same.function.schema
    schemas: Sequence[Mapping[str, Any]] = list(_flat(root, root))
    description = ""
    for key in path:
        schemas = [each for outer in schemas for inner in _inside(outer, key) for each in _flat(inner, root)]
        schemas = schemas[:_MOST_BRANCHES]
        description = " ".join(dict.fromkeys(_texts(schemas))) or description
    name = next((key for key in reversed(path) if key != "*"), "")
    values = tuple(_values(schemas))
    signs = _sign_words(description)
    return Parameter(
        path=path,
        words=words_of(name),
        description=description,
        kind=next((each["format"] for each in schemas if isinstance(each.get("format"), str)), ""),
        units=units_named(list(words_of(name)), description),
        free=frozenset(_free(schemas)),
        values=values,
        hints=_hints([each for each in values if isinstance(each, str)], description),
        negative=signs["negative"],
        positive=signs["positive"],
        condition=frozenset(_condition(description)),
        subject=_subject(same.function, f"{' '.join(words_of(name))} {description}"),
    )


# --- Schemas -----------------------------------------------------------------------------------------------------


def _flat(schema: Any, root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schema, its references and all its branches, each once."""
    left, seen = [schema], set[int]()
    while left and len(seen) < _MOST_BRANCHES:
        schema = left.pop()
        if not isinstance(schema, Mapping) or id(schema) in seen:
            continue
        seen.add(id(schema))
        yield schema
        if isinstance(reference := schema.get("$ref"), str):
            left.append(_target(reference, root))
        for key in ("allOf", "anyOf", "oneOf"):
            branches = schema.get(key)
            left += branches if isinstance(branches, list) else []
        left += [schema.get(key) for key in ("then", "else")]


def _target(reference: str, root: Mapping[str, Any]) -> Any:
    found: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found


def _inside(schema: Mapping[str, Any], key: str) -> Iterator[Any]:
    if key == "*":
        yield schema.get("items")
        yield from schema.get("prefixItems") or ()
        return
    properties = schema.get("properties")
    if isinstance(properties, Mapping) and key in properties:
        yield properties[key]
    elif "additionalProperties" in schema:
        yield schema["additionalProperties"]


def _texts(schemas: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for each in schemas:
        yield from (each[key] for key in ("title", "description") if isinstance(each.get(key), str))


def _free(schemas: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
    for each in schemas:
        yield from (canonical(each[key]) for key in ("default", "const") if key in each)
        if isinstance(values := each.get("enum"), list) and len(values) == 1:
            yield canonical(values[0])


def _values(schemas: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    for each in schemas:
        if isinstance(values := each.get("enum"), list):
            yield from values


# --- Descriptions ------------------------------------------------------------------------------------------------


def _hints(values: Sequence[str], description: str) -> Mapping[str, frozenset[str]]:
    """Words that explain one value only.

    For example "right below (current), at the base (home_base)", "on saves energy, off gives full power", or a list
    with one explanation per value, in the order of the values.
    """
    found: dict[str, set[str]] = {value: set() for value in values}
    for sentence in _SENTENCES.split(description):
        for pattern in _SEGMENTS:
            segments = [tokens(each) for each in pattern.split(sentence.replace("_", " ")) if tokens(each)]
            named = [_value_in(each, values) for each in segments]
            if any(named) or len(segments) == len(values):
                break
        if not any(named):
            named = list(values) if len(segments) == len(values) else named
        for value, words in zip(named, segments, strict=True):
            if value is not None:
                found[value].update(stem(word) for word in words if len(word) > 2 and word not in STOPWORDS)
    return {
        value: frozenset(own).difference(*(others for other, others in found.items() if other != value))
        for value, own in found.items()
    }


def _value_in(segment: Sequence[str], values: Sequence[str]) -> str | None:
    """The value that a part of a description explains: the value it begins or ends with."""
    for value in values:
        words = list(words_of(value))
        if words and words in (list(segment[: len(words)]), list(segment[-len(words) :])):
            return value
    return None


def _sign_words(description: str) -> dict[str, frozenset[str]]:
    """Words after "negative" and "positive", up to the end of the clause."""
    found: dict[str, set[str]] = {"negative": set(), "positive": set()}
    for clause in re.split(r"[,;:.()]", description.lower()):
        if match := _NEGATIVE.search(clause):
            behind = tokens(clause[match.end() :])
            found[match.group()].update(
                stem(word) for word in behind if word in _DIRECTIONS or word not in STOPWORDS
            )
    return {
        "negative": frozenset(found["negative"] - found["positive"]),
        "positive": frozenset(found["positive"] - found["negative"]),
    }


_DIRECTIONS = frozenset(("up", "down", "out", "under", "over"))


def _condition(description: str) -> Iterator[str]:
    for sentence in _SENTENCES.split(description):
        if match := _CONDITION.search(sentence.lower()):
            yield from (word for word in tokens(sentence[match.end() :]) if len(word) >= _LEAST_NAMED)


def _subject(function: Function, description: str) -> frozenset[str]:
    said = [*words_of(function.name), *tokens(f"{function.description} {description}")]
    found = stems(word for word in said if len(word) > 2 and word not in STOPWORDS)
    return found - _NO_SUBJECT.union(*(MEANING[value] for value in SWITCHES))


# --- Words that mean the same in any interface -------------------------------------------------------------------


MEANING: Mapping[str, frozenset[str]] = {
    value: stems(words.split())
    for value, words in {
        "on": "enable activate start begin engage resume true yes",
        "off": "disable deactivate stop end disengage kill quit cancel leave false no without",
        "enabled": "on enable activate yes",
        "disabled": "off disable deactivate no",
        "true": "on enable yes",
        "false": "off disable no without",
        "up": "rise climb ascend higher raise lift gain upward above increase",
        "down": "descend lower drop sink downward below decrease",
        "left": "leftward",
        "right": "rightward",
        "forward": "ahead advance onward",
        "backward": "back reverse retreat backward",
        "current": "here present now",
        "start": "begin launch run",
        "stop": "end halt quit",
        "asc": "ascending increasing oldest smallest lowest",
        "desc": "descending decreasing newest largest highest latest",
        "high": "higher highest maximum urgent",
        "low": "lower lowest minimum",
    }.items()
}
"""English only, for values that many interfaces share. Words of a particular function come from its description
or the teacher."""
SWITCHES = frozenset({"on", "off", "enabled", "disabled", "true", "false"})
"""Values whose words don't name the thing that is switched."""
_NO_SUBJECT = stems(
    word_set(
        "set get update change make let turn switch mode status state control configure go give take back thing "
        "things way "
        "put keep value option setting choose whether"
    )
)
