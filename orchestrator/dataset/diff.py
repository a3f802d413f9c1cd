"""What changed between two files of examples: examples, answers, tool definitions, tokens."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from orchestrator.dataset.basemodels import Method
from orchestrator.dataset.checking.rows import GoodRows, rows_on
from orchestrator.dataset.profile import Profile
from orchestrator.dataset.profile.fingerprints import Example, Turn, read_example, texts_of
from orchestrator.dataset.profile.functions import Function
from orchestrator.dataset.profile.prompts import Prompts
from orchestrator.dataset.tokens import count_example
from orchestrator.dataset.variants import first_difference

EXCERPTS = 1000
"""Examples of each kind of change that are given with their text; the rest are counted."""


@dataclass(frozen=True)
class Excerpt:
    """An example in short."""

    line: int
    prompt: str
    """The last message before the answer."""
    answer: str
    """Its calls as `name({"argument": …})`, or its text."""


@dataclass(frozen=True)
class ChangedAnswer:
    """The same prompt, answered differently."""

    before: Excerpt
    after: Excerpt


@dataclass(frozen=True)
class ChangedFunction:
    """A function that both files declare, and not alike."""

    name: str
    line: int | None
    """Where the second file first gives a definition that is new; None where it only drops one of several."""
    place: str
    """Where in that definition the first difference is, as a dotted path."""


@dataclass(frozen=True)
class Side:
    """One of the files."""

    path: Path
    examples: int
    tokens: int
    """What one epoch trains on (an estimate, see `tokens.count_example`)."""
    left_out: int
    """Lines with errors, which are not compared."""


@dataclass(frozen=True)
class Difference:
    """What is in which file. Examples are the same where instructions, prompt and answer are; tools stand apart."""

    before: Side
    after: Side
    same: int
    """Examples that are in both files."""
    reordered: bool
    """True where those come in another order."""
    added: int
    removed: int
    changed: int
    added_examples: tuple[Excerpt, ...]
    removed_examples: tuple[Excerpt, ...]
    changed_answers: tuple[ChangedAnswer, ...]
    functions_added: tuple[str, ...]
    functions_removed: tuple[str, ...]
    functions_changed: tuple[ChangedFunction, ...]
    tools_changed: int
    """Examples in both files that declare other tools, or in another way."""

    @property
    def is_empty(self) -> bool:
        """True where nothing differs but the order of examples, and how equal JSON is written."""
        examples = self.added + self.removed + self.changed + self.tools_changed
        return not (examples or self.functions_added or self.functions_removed or self.functions_changed)


def diff_files(before: Path, after: Path, model: str | None = None, method: Method | None = None) -> Difference:
    """Compare two files; `model` chooses the token encoding, `method` what an example must look like.

    Raises NoGoodExample, NotExamples, DataFileNotFound, DataFileUnreadable or DataFileEmpty.
    """
    old, new = _read(before, model, method), _read(after, model, method)
    matched = _match(old.survey.prompts, new.survey.prompts)
    functions = _Functions(old.survey.tools.functions, new.survey.tools.functions)
    return Difference(
        before=old.side(),
        after=new.side(),
        same=len(matched.same),
        reordered=any(one > other for (_, one), (_, other) in pairwise(sorted(matched.same))),
        added=len(matched.added),
        removed=len(matched.removed),
        changed=len(matched.changed),
        added_examples=_excerpts(after, [new.line(index) for index in matched.added]),
        removed_examples=_excerpts(before, [old.line(index) for index in matched.removed]),
        changed_answers=_changed(old, new, matched.changed),
        functions_added=tuple(functions.only_in(functions.after)),
        functions_removed=tuple(functions.only_in(functions.before)),
        functions_changed=tuple(functions.changed()),
        tools_changed=sum(
            old.toolset(one) != new.toolset(other) for one, other in (*matched.same, *matched.changed)
        ),
    )


@dataclass
class _File:
    path: Path
    survey: Profile = field(default_factory=lambda: Profile("training"))
    tokens: int = 0
    left_out: int = 0

    def side(self) -> Side:
        return Side(self.path, len(self.survey), self.tokens, self.left_out)

    def line(self, index: int) -> int:
        return self.survey.prompts.lines[index]

    def toolset(self, index: int) -> int:
        """A hash of the tools that an example declares."""
        prompts = self.survey.prompts
        return prompts.conversations[index] ^ prompts.prompts[index] ^ prompts.instructions[index]


def _read(path: Path, model: str | None, method: Method | None) -> _File:
    found, rows = _File(path), GoodRows(path, method)
    for line, row in rows:
        found.survey.add(line, row)
        found.tokens += count_example(row, model)
    found.left_out = rows.left_out
    found.survey.tools.settle()
    return found


@dataclass
class _Matched:
    """Indexes of examples: pairs where both files have one, else alone."""

    same: list[tuple[int, int]] = field(default_factory=list)
    changed: list[tuple[int, int]] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    added: list[int] = field(default_factory=list)


def _match(old: Prompts, new: Prompts) -> _Matched:
    """Pair equal examples first, then those of the rest that have the same prompt, in the order of the files."""
    matched = _Matched()
    waiting = _by_key(old, range(len(old)), with_answer=True)
    rest = []
    for index in range(len(new)):
        partners = waiting[_key(new, index, with_answer=True)]
        if partners:
            matched.same.append((partners.popleft(), index))
        else:
            rest.append(index)
    left = sorted(index for partners in waiting.values() for index in partners)
    waiting = _by_key(old, left, with_answer=False)
    for index in rest:
        partners = waiting[_key(new, index, with_answer=False)]
        if partners:
            matched.changed.append((partners.popleft(), index))
        else:
            matched.added.append(index)
    matched.removed.extend(sorted(index for partners in waiting.values() for index in partners))
    return matched


def _key(prompts: Prompts, index: int, *, with_answer: bool) -> int:
    conversation = prompts.prompts[index] ^ prompts.instructions[index]
    # Shifted, so that an answer equal to a prompt does not cancel it.
    return conversation ^ (prompts.answers[index] << 64) if with_answer else conversation


def _by_key(prompts: Prompts, indexes: Iterable[int], *, with_answer: bool) -> defaultdict[int, deque[int]]:
    found: defaultdict[int, deque[int]] = defaultdict(deque)
    for index in indexes:
        found[_key(prompts, index, with_answer=with_answer)].append(index)
    return found


def _changed(old: _File, new: _File, pairs: Sequence[tuple[int, int]]) -> tuple[ChangedAnswer, ...]:
    shown = pairs[:EXCERPTS]
    before = _excerpts(old.path, [old.line(one) for one, _ in shown])
    after = _excerpts(new.path, [new.line(other) for _, other in shown])
    by_line = {excerpt.line: excerpt for excerpt in before}
    ordered = (by_line[old.line(one)] for one, _ in shown)
    return tuple(ChangedAnswer(*both) for both in zip(ordered, after, strict=True))


def _excerpts(path: Path, lines: Sequence[int]) -> tuple[Excerpt, ...]:
    """The examples on the first 1,000 of these lines, in the order of the file."""
    return tuple(_excerpt(line, read_example(row)) for line, row in rows_on(path, lines[:EXCERPTS]))


def _excerpt(line: int, example: Example) -> Excerpt:
    asked = next((turn for turn in reversed(example.context) if turn[1]), None)
    last = example.answers[-1:] or [("", None, [], None)]
    return Excerpt(line, " ".join(texts_of(asked[1])) if asked else "", _answer(last[0], example.reference))


def _answer(turn: Turn, reference: object) -> str:
    _, content, calls, _ = turn
    if calls:
        return ", ".join(f"{name}({_json(arguments)})" for name, arguments in calls)
    return " ".join(texts_of(content)) if content else _json(reference) if reference else ""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True)
class _Functions:
    before: Mapping[str, Function]
    after: Mapping[str, Function]

    def only_in(self, functions: Mapping[str, Function]) -> Iterator[str]:
        """The names that only this one of the two files declares."""
        others = self.after if functions is self.before else self.before
        for name, function in functions.items():
            if function.variants and not (name in others and others[name].variants):
                yield name

    def changed(self) -> Iterator[ChangedFunction]:
        for name, function in self.before.items():
            other = self.after.get(name)
            if not other or not function.variants or not other.variants:
                continue
            new = [variant for identity, variant in other.variants.items() if identity not in function.variants]
            if new:
                place = first_difference(function.definitions[0].parsed(), new[0].parsed())
                yield ChangedFunction(name, new[0].first_line, place)
            elif len(other.variants) < len(function.variants):
                yield ChangedFunction(name, None, "")
