"""What the examples teach to answer: which calls, which texts, and how evenly."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from orchestrator.dataset.checking.findings import Notes
from orchestrator.dataset.survey.examples import Example
from orchestrator.dataset.survey.places import Places, listed

TEXT = "(text)"
"""Stands among the names of functions for an answer without a call."""

_LEAST_ADVISED = 100
_UNEVEN_FROM = 20
_FEW = 5
_LONG_TEXT = 100
_CUT_SHARE = 0.1

# Parts of the names of functions whose call means: this can't be done, or not by a function.
_DECLINING = re.compile(
    r"(?:^|[_-])(?:reject|refus|declin|deny|unsupported|not_(?:supported|possible|available)|impossible|unable|cannot|"
    r"irrelevan|out_of_scope|fallback|no_?op|no_action|do_nothing|none$|unknown|clarif|ask_(?:user|for)|respond|"
    r"reply_to_user|final_answer|answer_(?:user|directly|question)|escalat|hand_?off|transfer_to_(?:human|agent))",
    re.IGNORECASE,
)
# A last line that ends so was left in the middle of a sentence: on a mere word, or on a mark that more must follow.
# Short last lines are names and greetings; code and lists end as they like.
_CUT = re.compile(r"(?:\s[^\W\d_]+|[,;(–—-]\s*)\Z")
_END = 40
_LONG_LINE = 60
_STRUCTURED = re.compile(r"[{\[<#|*`=]|\n[ \t]*(?:[-*+]|\d+[.)])[ \t]")


@dataclass
class Answers:
    """Counts of what is answered."""

    examples: int = 0
    functions: Counter[str] = field(default_factory=Counter)
    """Examples in which each function is called, and under `TEXT` those in which none is."""
    with_tools: int = 0
    """Examples that declare tools."""
    untrained: Places = field(default_factory=Places)
    legacy: Places = field(default_factory=Places)
    long_texts: int = 0
    cut: Places = field(default_factory=Places)
    unclosed: Places = field(default_factory=Places)

    @property
    def in_text(self) -> int:
        """Examples that are trained on and call no function."""
        return self.functions[TEXT]

    def add(self, line: int, example: Example, *, has_tools: bool) -> None:
        self.examples += 1
        self.with_tools += has_tools
        if not example.trained:
            self.untrained.add(line)
        else:
            for name in {name for name, _ in example.calls} if example.calls else (TEXT,):
                self.functions[name] += 1
        if example.legacy:
            self.legacy.add(line)
        if example.text:
            self._add_text(line, example.text)

    def merge(self, later: Answers, line_offset: int) -> None:
        """Take up the answers of a later part of the same file, which starts behind `line_offset` lines."""
        self.examples += later.examples
        self.functions.update(later.functions)
        self.with_tools += later.with_tools
        self.long_texts += later.long_texts
        for name in ("untrained", "legacy", "cut", "unclosed"):
            getattr(self, name).merge(getattr(later, name), line_offset)

    def note(self, notes: Notes) -> None:
        """Note what is wrong with single answers."""
        _note_places("FT616", self.legacy, notes)
        _note_places("FT624", self.untrained, notes)
        self._note_cut(notes)

    def note_training(self, regular: Collection[str], notes: Notes) -> None:
        """Note what a training file lacks; `regular` are the functions declared often enough to be compared."""
        self._note_number(notes)
        self._note_rejections(notes)
        self._note_balance({*regular, TEXT}, notes)

    def _add_text(self, line: int, text: str) -> None:
        if text.count("```") % 2:
            self.unclosed.add(line)
        elif len(text) >= _LONG_TEXT and not _STRUCTURED.search(text):
            self.long_texts += 1
            if _is_cut(text.rpartition("\n")[2]):
                self.cut.add(line)

    def _note_number(self, notes: Notes) -> None:
        if 0 < self.examples < _LEAST_ADVISED:
            notes.at(None)
            notes.add("FT601", count=self.examples, advised=_LEAST_ADVISED)

    def _note_rejections(self, notes: Notes) -> None:
        called = [name for name in self.functions if name != TEXT]
        if self.with_tools and called and not self.functions[TEXT] and not any(map(_DECLINING.search, called)):
            notes.at(None)
            notes.add("FT621", count=f"{self.examples:,}")

    def _note_balance(self, regular: Collection[str], notes: Notes) -> None:
        ranked = [entry for entry in self.functions.most_common() if entry[0] in regular]
        if len(ranked) < 2 or not self.with_tools:
            return
        usual, most = ranked[0]
        rare = [(name, count) for name, count in reversed(ranked) if count * _UNEVEN_FROM <= most]
        if rare:
            notes.at(None)
            where = listed((f"{name} ({count:,})" for name, count in rare[:_FEW]), len(rare))
            notes.add("FT622", usual=usual, most=f"{most:,}", examples=f"{self.examples:,}", rare=where)

    def _note_cut(self, notes: Notes) -> None:
        """Endings in the middle of a sentence count only where nearly all texts of the file end otherwise."""
        if 0 < self.cut.count <= self.long_texts * _CUT_SHARE:
            self._note_ending("end in the middle of a sentence", self.cut, notes)
        if self.unclosed.count:
            self._note_ending("open a block of code (```) and do not close it", self.unclosed, notes)

    def _note_ending(self, problem: str, places: Places, notes: Notes) -> None:
        notes.at(places.first[0])
        notes.add("FT625", count=f"{places.count:,}", problem=problem, where=places)


def _is_cut(last_line: str) -> bool:
    return len(last_line) >= _LONG_LINE and _CUT.search(last_line[-_END:]) is not None


def _note_places(code: str, places: Places, notes: Notes) -> None:
    if places.count:
        notes.at(places.first[0])
        notes.add(code, count=f"{places.count:,}", where=places)
