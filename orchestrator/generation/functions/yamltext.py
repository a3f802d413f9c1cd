"""Read YAML as JSON values by the rules of YAML 1.2: `on` is a string, and `12:30` is not a number.

PyYAML splits the text into events, and a loop here turns them into values. PyYAML's constructors follow YAML 1.1,
turn dates into objects, accept a repeated key, and crash the process on deeply nested text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

DEEPEST = 100
"""The most levels of lists and mappings; real documents have a few dozen."""

MOST_VALUES = 1_000_000
"""Each alias counts as the values it repeats: ten lines of aliases can give billions."""

_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = frozenset((None, "!", f"{_TAG}str"))
_TAGS = _TEXT_TAGS | {f"{_TAG}{name}" for name in ("int", "float", "bool", "null")}
# The core schema of YAML 1.2, https://yaml.org/spec/1.2.2/#103-core-schema
_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_WHOLE = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_MERGE = "<<"


class NotYaml(Exception):
    """The text is not YAML, or has no JSON form. `line` starts at 1, and is None without a line to name."""

    def __init__(self, problem: str, line: int | None) -> None:
        self.problem = problem
        self.line = line
        super().__init__(problem)


def parse_yaml(text: str) -> Any:
    """The value of the only document of a YAML text; None if it is empty. Raises only NotYaml."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Reading().value_of(yaml.parse(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(_problem(error, mark, text), mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise NotYaml(" ".join(str(error).split()), None) from None


def _problem(error: Any, mark: Any, text: str) -> str:
    lines = text.splitlines()
    if mark is not None and mark.line < len(lines) and "\t" in re.split(r"[^\s-]", lines[mark.line], maxsplit=1)[0]:
        return "the line begins with a tab; indent YAML with spaces"
    return ", ".join(filter(None, (error.context, error.problem)))


@dataclass
class _Open:
    """An open list or mapping."""

    value: Any
    anchor: str | None
    line: int
    before: int
    """The number of values before it."""
    key: str | None = None
    merged: list[Any] = field(default_factory=list)


class _Reading:
    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._count = 0
        self._documents: list[Any] = []

    def value_of(self, events: Iterable[Any]) -> Any:
        import yaml

        for event in events:
            line = event.start_mark.line + 1
            if isinstance(event, yaml.ScalarEvent):
                self._add_scalar(event, line)
            elif isinstance(event, yaml.AliasEvent):
                self._add_alias(event.anchor, line)
            elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
                self._begin([] if isinstance(event, yaml.SequenceStartEvent) else {}, event, line)
            elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
                self._end()
            elif isinstance(event, yaml.DocumentStartEvent) and self._documents:
                raise NotYaml("a second document begins; put each into its own file", line)
        return self._documents[0] if self._documents else None

    def _add_scalar(self, event: Any, line: int) -> None:
        plain = event.implicit[0] and event.style in (None, "")
        if self._takes_key():
            self._take_key(event.value, plain, line)
            return
        value = _scalar(event.value, event.tag, plain, line)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)
        self._add(value, 1, line)

    def _add_alias(self, anchor: str, line: int) -> None:
        if anchor not in self._anchors:
            raise NotYaml(f"*{anchor} has no anchor before it", line)
        value, size = self._anchors[anchor]
        if self._takes_key():
            self._take_key(value, False, line)
        else:
            self._add(value, size, line)

    def _begin(self, value: Any, event: Any, line: int) -> None:
        if self._takes_key():
            raise NotYaml("a key is a list or a mapping; JSON keys are strings", line)
        if len(self._open) == DEEPEST:
            raise NotYaml(f"it is nested more than {DEEPEST} levels deep", line)
        self._open.append(_Open(value, event.anchor, line, self._count))

    def _end(self) -> None:
        ended = self._open.pop()
        for each in ended.merged:  # the mapping's own keys win
            ended.value = {**each, **ended.value}
        if ended.anchor:
            self._anchors[ended.anchor] = (ended.value, self._count - ended.before + 1)
        self._add(ended.value, 1, ended.line)

    def _takes_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is None

    def _take_key(self, key: Any, plain: bool, line: int) -> None:
        holder = self._open[-1]
        if not isinstance(key, str):
            raise NotYaml("a key is not a string", line)
        if key in holder.value:
            raise NotYaml(f'the key "{key}" appears twice', line)
        holder.key = key
        if key == _MERGE and plain:
            return
        holder.value[key] = None

    def _add(self, value: Any, size: int, line: int) -> None:
        self._count += size
        if self._count > MOST_VALUES:
            raise NotYaml(f"it has more than {MOST_VALUES:,} values, including those of its aliases", line)
        if not self._open:
            self._documents.append(value)
            return
        holder = self._open[-1]
        if isinstance(holder.value, list):
            holder.value.append(value)
            return
        key, holder.key = holder.key, None
        if key == _MERGE and _MERGE not in holder.value:
            holder.merged += _mappings(value, line)
        else:
            holder.value[key] = value


def _mappings(value: Any, line: int) -> list[Any]:
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(each, dict) for each in found):
        raise NotYaml('"<<" merges something that is not a mapping', line)
    return found


def _scalar(text: str, tag: str | None, plain: bool, line: int) -> Any:
    if tag not in _TAGS:
        raise NotYaml(f"the tag {tag.replace(_TAG, '!!') if tag else tag} has no value in JSON", line)
    if not plain and tag in _TEXT_TAGS:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _WHOLE.fullmatch(text):
        return int(text, 8 if text.startswith("0o") else 16 if text.startswith("0x") else 10)
    if _NO_NUMBER.fullmatch(text):
        raise NotYaml(f"JSON has no number {text}", line)
    if _NUMBER.fullmatch(text):
        if math.isinf(number := float(text)):
            raise NotYaml("a number is too large", line)
        return number
    return text
