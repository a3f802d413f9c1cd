"""Examples compared with each other: prompts that come twice, nearly twice, or with another answer."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import ceil

from orchestrator.dataset.findings import Notes
from orchestrator.dataset.profile.fingerprints import (
    NO_WORD,
    SKETCH_WORDS,
    Example,
    Turn,
    canonical,
    digest,
    lines_text,
    listed_apart,
    resemblance,
    sketch,
)

NEAR = 0.8
"""Prompts with the same answer are near-duplicates from this share of words in common on."""

_LEAST_WORDS = 4
_COMMON_FROM_PROMPTS = 20
_COMMON_SHARE = 0.5
_COMPARED_AT_ONCE = 100_000
_COMPARED_WITH = 64

_TEXT, _CALLS, _REFERENCE = 0, 1, 2


@dataclass
class Prompts:
    """What is kept of each example to compare it with others: 149 bytes, whatever its length."""

    lines: array[int] = field(default_factory=lambda: array("I"))
    prompts: array[int] = field(default_factory=lambda: array("Q"))
    """Hashes of the messages before the last answer, without instructions."""
    instructions: array[int] = field(default_factory=lambda: array("Q"))
    """Hashes of the system and developer messages."""
    conversations: array[int] = field(default_factory=lambda: array("Q"))
    """Hashes of both and the tool definitions: of all that the model is given."""
    answers: array[int] = field(default_factory=lambda: array("Q"))
    """Hashes of everything the model is to say, and of the images it is shown: prompts are compared where both are
    the same, and a question about another image is another prompt."""
    forms: array[int] = field(default_factory=lambda: array("B"))
    """Whether it is text or calls, or keys for a grader, as in reinforcement data."""
    words: array[int] = field(default_factory=lambda: array("I"))
    """The sketch of each prompt's words, padded to 28 hashes."""

    def __len__(self) -> int:
        return len(self.lines)

    def add(self, line: int, example: Example, instructions: int, toolset: int) -> bytes:
        """Take up an example with hashes of its instructions and tools. Returns the JSON text that was hashed."""
        context = canonical(example.context)
        shown = [digest(canonical(example.images))] if example.images else []
        answers = canonical([*map(_said, example.answers), example.reference, *shown])
        prompt, words = digest(context), sketch(example.prompt)
        self.lines.append(line)
        self.prompts.append(prompt)
        self.instructions.append(instructions)
        self.conversations.append(prompt ^ instructions ^ toolset)
        self.answers.append(digest(answers))
        self.forms.append(_form(example))
        self.words.extend(words)
        self.words.extend([NO_WORD] * (SKETCH_WORDS - len(words)))
        return context + answers

    def merge(self, later: Prompts, line_offset: int) -> None:
        """Take up the examples of a later part of the same file, which starts behind `line_offset` lines."""
        self.lines.extend(line + line_offset for line in later.lines)
        self.prompts.extend(later.prompts)
        self.instructions.extend(later.instructions)
        self.conversations.extend(later.conversations)
        self.answers.extend(later.answers)
        self.forms.extend(later.forms)
        self.words.extend(later.words)

    def taken(self, indexes: Sequence[int]) -> Prompts:
        """Some of the examples, in the order given."""
        found = Prompts(words=array("I", (word for index in indexes for word in self._words(index))))
        for name in ("lines", "prompts", "instructions", "conversations", "answers", "forms"):
            values: array[int] = getattr(self, name)
            getattr(found, name).extend(values[index] for index in indexes)
        return found

    @property
    def hold_answers(self) -> bool:
        """False where all examples are those of reinforcement data, which hold none."""
        return self.forms.count(_REFERENCE) < len(self.forms)

    def note(self, notes: Notes) -> None:
        repeats, contradicting, differing = self._compared()
        answers = self.hold_answers
        _note_groups("FT602", repeats, sum(map(len, repeats)) - len(repeats), notes)
        _note_pairs(
            sorted((self.lines[later], self.lines[earlier]) for earlier, later in self.near_pairs()), answers, notes
        )
        _note_groups("FT604", contradicting, len(contradicting), notes)
        differ = "are answered with different texts" if answers else "have different keys for the grader"
        _note_groups("FT605", differing, len(differing), notes, differ=differ)

    def sketch(self, index: int) -> list[int]:
        """The hashes of an example's words, lowest first."""
        return [word for word in self._words(index) if word != NO_WORD]

    def _words(self, index: int) -> array[int]:
        return self.words[index * SKETCH_WORDS : (index + 1) * SKETCH_WORDS]

    def groups(self, keys: Sequence[int]) -> Iterator[list[int]]:
        """The indexes of examples that share one of `keys` (one for each example), where two or more do."""
        # A table of all keys at once would take far more memory than the arrays.
        parts = 1 + len(keys) // _COMPARED_AT_ONCE
        for part in range(parts):
            alike: defaultdict[int, list[int]] = defaultdict(list)
            for index, key in enumerate(keys):
                if key % parts == part:
                    alike[key].append(index)
            yield from (indexes for indexes in alike.values() if len(indexes) > 1)

    def near_pairs(self) -> Iterator[tuple[int, int]]:
        """Indexes of examples that give the same answer to prompts that are not equal, but nearly.

        Near are prompts of which at least four fifths of the words are shared, in any order, words that half of all
        prompts hold left out of account: those belong to a template. Where very many prompts with one answer share
        their rarest words, each is compared with 64 of them.
        """
        frequency = Counter(self.words)
        least = max(_COMMON_FROM_PROMPTS, len(self) * _COMMON_SHARE)
        common = frozenset(word for word, prompts in frequency.items() if prompts > least)
        for indexes in self.groups(self.answers):
            yield from self._near_in(indexes, frequency, common)

    def _near_in(
        self, indexes: Sequence[int], frequency: Counter[int], common: frozenset[int]
    ) -> Iterator[tuple[int, int]]:
        by_key: defaultdict[Hashable, list[int]] = defaultdict(list)
        seen: set[int] = set()
        for index in indexes:
            if self.prompts[index] in seen:
                continue
            seen.add(self.prompts[index])
            words = self.sketch(index)
            keys = _keys(words, frequency, common)
            candidates = sorted({each for key in keys for each in by_key[key][-_COMPARED_WITH:]})
            near = (each for each in candidates if is_near(self.sketch(each), words, common))
            if (found := next(near, None)) is not None:
                yield found, index
            for key in keys:
                by_key[key].append(index)

    def _compared(self) -> tuple[list[list[int]], list[list[int]], list[list[int]]]:
        """Lines with the same conversation: with the same answer, with different calls, with different texts."""
        repeats: list[list[int]] = []
        contradicting: list[list[int]] = []
        differing: list[list[int]] = []
        for indexes in self.groups(self.conversations):
            by_answer: defaultdict[int, list[int]] = defaultdict(list)
            for index in indexes:
                by_answer[self.answers[index]].append(self.lines[index])
            repeats.extend(same for same in by_answer.values() if len(same) > 1)
            if len(by_answer) > 1:
                called = any(self.forms[index] == _CALLS for index in indexes)
                (contradicting if called else differing).append([lines[0] for lines in by_answer.values()])
        return sorted(repeats), sorted(contradicting), sorted(differing)


def is_near(one: Sequence[int], other: Sequence[int], common: frozenset[int] = frozenset()) -> bool:
    """Whether two sketches are those of near-duplicates, given that the answers are equal."""
    if one == other and len(one) < SKETCH_WORDS:
        return True
    shared, of = resemblance(one, other, common)
    return shared >= NEAR and of >= _LEAST_WORDS


def rarest(members: int, shared: int) -> int:
    """How many of a set's rarest members hold `shared` of those of any other set that is as alike as NEAR.

    Prefix filtering: Chaudhuri and others, "A primitive operator for similarity joins in data cleaning", 2006.
    """
    return members - ceil(NEAR * members) + shared


def _keys(words: Sequence[int], frequency: Mapping[int, int], common: frozenset[int]) -> list[Hashable]:
    """What near-duplicates have in common, and hardly any others: all words, or two of the rarest."""
    rare = sorted([word for word in words if word not in common], key=lambda word: (frequency[word], word))
    return [tuple(words), *combinations(rare[: rarest(len(rare), 2)], 2)]


def _form(example: Example) -> int:
    if example.reference is not None:
        return _REFERENCE
    return _CALLS if example.calls else _TEXT


def _said(turn: Turn) -> Turn:
    """An answer to compare: what is called decides, in any order; a text beside calls is talk."""
    role, content, calls, _ = turn
    return (role, None if calls else content, calls if len(calls) < 2 else sorted(calls, key=canonical))


def _note_groups(code: str, groups: Sequence[Sequence[int]], count: int, notes: Notes, differ: str = "") -> None:
    if groups:
        notes.at(groups[0][0])
        notes.add(
            code, count=f"{count:,}", where=listed_apart(map(lines_text, groups[:5]), len(groups)), differ=differ
        )


def _note_pairs(pairs: Sequence[tuple[int, int]], answers: bool, notes: Notes) -> None:
    if pairs:
        notes.at(pairs[0][0])
        where = listed_apart((f"line {later} is nearly line {earlier}" for later, earlier in pairs[:5]), len(pairs))
        same = "have the same answer" if answers else "have the same keys for the grader"
        notes.add("FT603", count=f"{len(pairs):,}", where=where, same=same)
