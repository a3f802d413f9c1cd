"""The instructions that examples begin with: system and developer messages."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.dataset.checking.findings import Notes, shown
from orchestrator.dataset.survey.fingerprints import digest
from orchestrator.dataset.survey.sensitive import may_hold_secret

_KEPT = 200
_LONG_TEXT = 4096
_TEMPLATE_SHARE = 0.5


@dataclass
class Instructions:
    """What some examples begin with. `suspect` tells that a secret may be among it."""

    identity: int
    start: str
    first_line: int
    suspect: bool
    examples: int = 0


@dataclass
class Systems:
    """The distinct instructions of a file, of which the first 200 are counted one by one."""

    known: dict[str, Instructions] = field(default_factory=dict)
    """By text, or by the hash of a long one."""
    others: int = 0
    """Examples with further ones."""

    def add(self, line: int, text: str) -> Instructions:
        """Take up the instructions of an example, "" where it has none."""
        key = text if len(text) <= _LONG_TEXT else str(_identity(text))
        found = self.known.get(key)
        if found is None:
            found = Instructions(
                _identity(text), text[:100], line, may_hold_secret(text.encode("utf-8", "replace"))
            )
            if len(self.known) >= _KEPT:
                self.others += 1
                return found
            self.known[key] = found
        found.examples += 1
        return found

    def merge(self, later: Systems, line_offset: int) -> None:
        """Take up the instructions of a later part of the same file, which starts behind `line_offset` lines."""
        self.others += later.others
        for key, instructions in later.known.items():
            if key in self.known:
                self.known[key].examples += instructions.examples
            elif len(self.known) >= _KEPT:
                self.others += instructions.examples
            else:
                instructions.first_line += line_offset
                self.known[key] = instructions

    def note(self, notes: Notes) -> None:
        """Say so where the instructions vary, unless half of the examples have their own: those are filled in."""
        ranked = sorted(self.known.values(), key=lambda each: (-each.examples, each.first_line))
        examples = self.others + sum(each.examples for each in ranked)
        if len(ranked) < 2 or self.others or len(ranked) > examples * _TEMPLATE_SHARE:
            return
        usual, rarer = ranked[0], ranked[1]
        notes.at(min(each.first_line for each in ranked[1:]))
        notes.add(
            "FT623",
            count=len(ranked),
            usual=_described(usual),
            share=f"{usual.examples:,} of {examples:,} examples",
            other=_described(rarer),
            other_share=f"{rarer.examples:,}, first on line {rarer.first_line}",
        )


def _identity(text: str) -> int:
    return digest(text.encode("utf-8", "surrogatepass"))


def _described(instructions: Instructions) -> str:
    return shown(instructions.start, 40) if instructions.start else "none at all"
