"""Match rules: ways other than equality in which an argument is right.

A rule is a word, `"casefold"`, or an object with one of the keys in RULES, such as `{"tolerance": 0.5}`. With
`"optional": true` in the object, the argument may be left out. The key of a rule is the argument's name, with dots
into objects and `*` for each item of a list: `"route.*.altitude"`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Protocol

import orjson

from orchestrator.dataset.findings import shown

LONGEST_PATTERN = 1000
DEEPEST_KEY = 64
"""The most parts of a rule's key."""
LONGEST_SEARCHED = 100_000
"""The most characters of an argument that a pattern is matched against; a longer argument does not match."""


class Rule(Protocol):
    """Judges an answered value. `expected` is ABSENT if the expected call does not give the argument."""

    def accepts(self, expected: Any, found: Any, lenient: bool) -> bool: ...

    @property
    def needs_expected(self) -> bool:
        """True if the rule needs an expected value."""
        ...

    @property
    def excuses_schema(self) -> bool:
        """True if the value may break the schema."""
        ...


@dataclass(frozen=True)
class Exact:
    """The same JSON value at every level, for codes where case and punctuation matter."""

    needs_expected = True
    excuses_schema = False

    def accepts(self, expected: Any, found: Any, lenient: bool) -> bool:
        return strictly_same(expected, found)


@dataclass(frozen=True)
class CaseFold:
    """The same text, ignoring case (Unicode case folding)."""

    needs_expected = True
    excuses_schema = False

    def accepts(self, expected: Any, found: Any, lenient: bool) -> bool:
        if isinstance(expected, str) and isinstance(found, str):
            return expected.casefold() == found.casefold() or same(expected, found, lenient)
        return same(expected, found, lenient)


@dataclass(frozen=True)
class Tolerance:
    """A number within `absolute`, or within `relative` times the expected number."""

    absolute: float = 0.0
    relative: float = 0.0
    needs_expected = True
    excuses_schema = False

    def accepts(self, expected: Any, found: Any, lenient: bool) -> bool:
        if not (_is_number(expected) and _is_number(found)):
            return False
        return bool(abs(found - expected) <= max(self.absolute, self.relative * abs(expected)))


@dataclass(frozen=True)
class Matches:
    """A text that a regular expression matches from end to end, in time linear in the text."""

    pattern: str
    needs_expected = False
    excuses_schema = False

    def accepts(self, expected: Any, found: Any, lenient: bool) -> bool:
        return isinstance(found, str) and len(found) <= LONGEST_SEARCHED and _matcher(self.pattern)(found)


@dataclass(frozen=True)
class Unordered:
    """A list with the same items, in any order."""

    needs_expected = True
    excuses_schema = False

    def accepts(self, expected: Any, found: Any, lenient: bool) -> bool:
        if not (isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found)):
            return False
        left = list(found)
        for item in expected:
            position = next((index for index, other in enumerate(left) if same(item, other, lenient)), None)
            if position is None:
                return False
            del left[position]
        return True


@dataclass(frozen=True)
class OneOf:
    """Any of the given values, or the expected one."""

    values: tuple[Any, ...]
    needs_expected = False
    excuses_schema = False

    def accepts(self, expected: Any, found: Any, lenient: bool) -> bool:
        return any(same(value, found, lenient) for value in (expected, *self.values))


@dataclass(frozen=True)
class SchemaValid:
    """Any value that the tool's schema allows. Scoring checks each call against the schema anyway."""

    needs_expected = False
    excuses_schema = False

    def accepts(self, expected: Any, found: Any, lenient: bool) -> bool:
        return True


@dataclass(frozen=True)
class Anything:
    """Any value at all."""

    needs_expected = False
    excuses_schema = True

    def accepts(self, expected: Any, found: Any, lenient: bool) -> bool:
        return True


@dataclass
class RuleNode:
    """The rules for one argument and what is inside it."""

    rule: Rule | None = None
    optional: bool = False
    inner: dict[str, RuleNode] = field(default_factory=dict)

    def below(self, part: str | int) -> RuleNode | None:
        """The rules one key or index deeper; None if there are none."""
        return self.inner.get("*" if isinstance(part, int) else part)

    def rule_at(self, path: Sequence[str | int]) -> Rule | None:
        """The rule for the value at `path`, which may be the rule of an enclosing value."""
        node: RuleNode | None = self
        for part in path:
            node = node.below(part) if node else None
            if node is not None and node.rule is not None:
                return node.rule
        return None

    def rules(self, path: str = "") -> Iterator[tuple[str, Rule]]:
        """All rules at and below this node, each with its key."""
        if self.rule is not None:
            yield path, self.rule
        for part, node in self.inner.items():
            yield from node.rules(f"{path}.{part}" if path else part)


def parse_rules(written: Mapping[str, Any]) -> RuleNode | None:
    """The rules of a case's `match` as a tree; None if it is empty. Raises InvalidCase, with the key."""
    root = RuleNode()
    for key, value in written.items():
        node = root
        if key.count(".") >= DEEPEST_KEY:
            raise InvalidCase(f'key "match.{shown(key)[1:-1]}": it is more than {DEEPEST_KEY} levels deep')
        for part in key.split("."):
            node = node.inner.setdefault(part, RuleNode())
        try:
            node.rule, node.optional = _parse_rule(value)
        except InvalidCase as error:
            raise InvalidCase(f'key "match.{shown(key)[1:-1]}": {error.problem}') from None
    return root if root.inner else None


def _parse_rule(written: Any) -> tuple[Rule | None, bool]:
    if isinstance(written, str):
        return _word(written), False
    if not isinstance(written, dict):
        raise InvalidCase(f"a rule is a word or an object; choose one of {_known()}")
    optional = written.get("optional", False)
    if not isinstance(optional, bool):
        raise InvalidCase(f'"optional" must be true or false; found {shown(optional)}')
    rest = {key: value for key, value in written.items() if key != "optional"}
    if not rest and optional:
        return None, True
    if rest.keys() <= {"tolerance", "relative_tolerance"} and rest:
        return _tolerance(rest), optional
    if len(rest) != 1:
        raise InvalidCase(f'an object has one rule and may have "optional"; choose one of {_known()}')
    ((key, value),) = rest.items()
    if key not in RULES:
        raise InvalidCase(f"there is no rule {shown(key)}; choose one of {_known()}")
    return RULES[key](value), optional


def _word(written: Any) -> Rule:
    if not isinstance(written, str) or written not in WORDS:
        raise InvalidCase(f"there is no rule {shown(written)}; choose one of {_known()}")
    return WORDS[written]


def _pattern(written: Any) -> Rule:
    if not isinstance(written, str):
        raise InvalidCase(f"a regular expression must be a string; found {shown(written)}")
    if len(written) > LONGEST_PATTERN:
        raise InvalidCase(f"the regular expression is longer than {LONGEST_PATTERN:,} characters")
    _matcher(written)
    return Matches(written)


def _one_of(written: Any) -> Rule:
    if not isinstance(written, list) or not written:
        raise InvalidCase('"one_of" must be a list of values')
    return OneOf(tuple(written))


def _tolerance(written: Mapping[str, Any]) -> Rule:
    for key, value in written.items():
        if not _is_number(value) or value < 0:
            raise InvalidCase(f'"{key}" must be a number of at least 0; found {shown(value)}')
    return Tolerance(float(written.get("tolerance", 0.0)), float(written.get("relative_tolerance", 0.0)))


WORDS: Mapping[str, Rule] = {
    "exact": Exact(),
    "casefold": CaseFold(),
    "unordered": Unordered(),
    "schema": SchemaValid(),
    "any": Anything(),
}
RULES: Mapping[str, Callable[[Any], Rule]] = {
    "rule": _word,
    "regex": _pattern,
    "one_of": _one_of,
    "tolerance": lambda value: _tolerance({"tolerance": value}),
    "relative_tolerance": lambda value: _tolerance({"relative_tolerance": value}),
}


def _known() -> str:
    objects = (f'{{"{key}": …}}' for key in RULES if key != "rule")
    return ", ".join([*WORDS, *objects])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@lru_cache(maxsize=1024)
def _matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a text matches from end to end. With Python's `re` a short pattern can take years; pydantic's engine,
    Rust's regex, takes time linear in the text and refuses other patterns."""
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    schema = core_schema.str_schema(pattern=rf"\A(?:{pattern})\z", regex_engine="rust-regex", strict=True)
    try:
        return SchemaValidator(schema).isinstance_python
    except SchemaError as error:
        lines = str(error).strip().splitlines()
        problem = lines[-1].removeprefix("error: ").strip()
        raise InvalidCase(f"the regular expression {shown(pattern)} can't be used: {problem}") from None


# --- Errors in an evaluation file --------------------------------------------------------------------------------


class InvalidCase(Exception):
    """The line is not a valid case; `problem` names the key and says why."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)


# --- Equality of JSON values -------------------------------------------------------------------------------------


class _Absent:
    """No value, not even null."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT: Final = _Absent()

# The characters that the Berkeley Function-Calling Leaderboard removes from strings before comparing them, and the
# quote that it replaces: standardize_string in eval_checker/ast_eval/ast_checker.py of bfcl-eval 2026.3.23.
_STANDARD = str.maketrans({**dict.fromkeys(" ,./-_*^"), "'": '"'})


def same(expected: Any, found: Any, lenient: bool) -> bool:
    """True if two JSON values mean the same: 5 and 5.0, but not 5, "5" and true; objects in any key order.

    If `lenient`, strings are compared without case, blanks and the punctuation that BFCL ignores.
    """
    if isinstance(expected, str):
        return isinstance(found, str) and (
            expected == found or (lenient and standardised(expected) == standardised(found))
        )
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    if isinstance(expected, dict):
        if not isinstance(found, dict) or expected.keys() != found.keys():
            return False
        return all(same(value, found[name], lenient) for name, value in expected.items())
    if isinstance(expected, list):
        if not isinstance(found, list) or len(expected) != len(found):
            return False
        return all(same(one, other, lenient) for one, other in zip(expected, found, strict=True))
    return bool(expected == found)


def strictly_same(expected: Any, found: Any) -> bool:
    """True if two JSON values are written the same, except for white space and key order: 5 is not 5.0."""
    return canonical(expected) == canonical(found)


def canonical(value: Any) -> bytes:
    """The JSON text of a parsed value, without blanks and with sorted keys; ABSENT has a separate text."""
    return b"" if value is ABSENT else orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def standardised(text: str) -> str:
    """The text as BFCL compares it: lower case, no blanks, none of `,./-_*^`, and one kind of quote."""
    return text.translate(_STANDARD).lower()
