"""`data generate` and `generate`: the same files from the command and from a notebook."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.project import Project
from support.teacher import Teacher

import orchestrator
from orchestrator.errors import OutputExists


def test_a_notebook_makes_what_the_command_makes(project: Project, teacher: Teacher) -> None:
    ask = ("data", "generate", "tools.json", "-o", "one.jsonl", "--endpoint", "school", "--model", "tutor", "--yes")
    assert project.ftorch(*ask).code == 0
    with project.entered():
        made = orchestrator.generate("tools.json", "two.jsonl", endpoint="school", model="tutor")
        with pytest.raises(OutputExists):
            orchestrator.generate("tools.json", "one.jsonl", endpoint="school", model="tutor", seed=4)
    assert (project.root / "one.jsonl").read_bytes() == (project.root / "two.jsonl").read_bytes()
    assert repr(made) == f"<Generated two.jsonl: {made.examples} of {made.targets} examples>"
    assert made.to_dicts()[0]["examples"] == made.examples
    assert "two.jsonl" in made._repr_html_()


def test_a_notebook_needs_nobody_for_template_words(project: Project, teacher: Teacher) -> None:
    with project.entered():
        made = orchestrator.generate("tools.json", Path("draft.jsonl"), offline=True, seed=3)
    assert made.examples == len((project.root / "draft.jsonl").read_text().splitlines())
    assert not teacher.host.asked
