"""What only the file as a whole shows, gathered in one pass, one example at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.dataset.basemodels import Purpose
from orchestrator.dataset.findings import Notes
from orchestrator.dataset.profile.answers import Answers, Sensitive, Systems, may_hold_secret
from orchestrator.dataset.profile.coverage import note_coverage, note_definitions, regular_functions
from orchestrator.dataset.profile.fingerprints import Example, read_example, texts_of
from orchestrator.dataset.profile.functions import Tools
from orchestrator.dataset.profile.prompts import Prompts


@dataclass
class Profile:
    """The statistics and hashes of one file, about 100 bytes for an example. It can be pickled and merged."""

    purpose: Purpose
    """What the file is for; only training files are asked to show every function, and evenly."""
    prompts: Prompts = field(default_factory=Prompts)
    tools: Tools = field(default_factory=Tools)
    answers: Answers = field(default_factory=Answers)
    systems: Systems = field(default_factory=Systems)
    sensitive: Sensitive = field(default_factory=Sensitive)

    def __len__(self) -> int:
        return len(self.prompts)

    def add(self, line_number: int, row: Mapping[str, Any]) -> Example:
        """Take up a row in which a check finds no error. Returns what was read from it."""
        example = read_example(row)
        toolset = self.tools.declare(line_number, example.holder)
        instructions = self.systems.add(line_number, example.system)
        content = self.prompts.add(line_number, example, instructions.identity, toolset)
        for name, arguments in example.calls:
            self.tools.call(line_number, name, arguments)
        self.answers.add(line_number, example, has_tools=toolset != 0)
        if instructions.suspect or may_hold_secret(content):
            self.sensitive.add(line_number, texts_of([example.system, example.context, example.answers]))
        return example

    def merge(self, later: Profile, line_offset: int) -> None:
        """Take up a later part of the same file, surveyed elsewhere, which starts behind `line_offset` lines."""
        self.prompts.merge(later.prompts, line_offset)
        self.tools.merge(later.tools, line_offset)
        self.answers.merge(later.answers, line_offset)
        self.systems.merge(later.systems, line_offset)
        self.sensitive.merge(later.sensitive, line_offset)

    def note(self, notes: Notes, *, complete: bool = True) -> None:
        """Add a warning for each kind of thing that the file as a whole shows.

        Where rows were left out for their errors (not `complete`), nothing is said of what no row shows. Nor is it
        of reinforcement data, whose rows hold no answers.
        """
        self.tools.settle()
        functions = list(self.tools.functions.values())
        self.answers.note(notes)
        self.prompts.note(notes)
        note_definitions(functions, notes)
        if self.purpose == "training":
            regular = regular_functions(functions, len(self))
            self.answers.note_number(notes)
            if complete and self.prompts.hold_answers:
                self.answers.note_training([function.name for function in regular], notes)
                note_coverage(regular, notes)
        self.systems.note(notes)
        self.sensitive.note(notes)
        notes.at(None)
