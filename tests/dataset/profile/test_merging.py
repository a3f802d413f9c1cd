"""A file surveyed in parts says the same as one surveyed at once."""

from __future__ import annotations

import json
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.rows import LEGACY, PREFERENCE, PROMPT
from support.surveys import asks, call, reasons, says, survey_of, tool

from orchestrator.dataset.profile import Profile

Row = dict[str, Any]


def rows() -> list[Row]:
    """Rows that show every kind of finding, most of them on both sides of any middle."""
    mode = {"type": "string", "enum": ["on", "off", "dim"]}
    light, other, lock = tool(mode=mode), tool(mode={**mode, "description": ""}), tool("lock")
    kinds = [
        asks("Light on in the big hall", call("light", mode="on"), tools=[light, lock]),
        asks("On in the big hall, light", call("light", mode="on"), tools=[light, lock]),
        asks("Light on in the big hall", call("light", mode="off"), tools=[light, lock]),
        asks("Dark", call("light"), tools=[other, lock], system="Be quick."),
        says("Story?", "Once."),
        says("Story?", "Never."),
        says("Code?", "```"),
        says("Key?", "AKIA" + "QWERTYUIOPASDFGH or bob@acme.io"),
        says("Nothing?", "Nothing.", weight=0),
        *(LEGACY, PREFERENCE, PROMPT),
    ]
    mixed = [json.loads(json.dumps(row)) for row in kinds * 12]
    random.Random(4).shuffle(mixed)
    return mixed


def survey_settled(whole: list[Row]) -> Profile:
    survey = survey_of(whole)
    survey.tools.settle()
    return survey


@pytest.mark.parametrize("cut", [0, 1, 60, 143, 144])
def test_two_parts_merged_note_what_the_whole_notes(cut: int) -> None:
    whole = rows()
    first, later = survey_of(whole[:cut]), survey_of(whole[cut:])
    merged = pickle.loads(pickle.dumps(first))
    merged.merge(pickle.loads(pickle.dumps(later)), cut)
    expected = reasons(survey_of(whole))
    assert {"FT602", "FT603", "FT604", "FT605", "FT611", "FT613", "FT616", "FT624", "FT631"} <= expected.keys()
    assert reasons(merged) == expected
    assert merged.tools.functions == survey_settled(whole).tools.functions
    assert len(merged) == len(whole)


def test_many_parts_merged_one_after_the_other_have_the_right_lines() -> None:
    merged = Profile("training")
    whole = rows()
    for start in range(0, len(whole), 10):
        merged.merge(survey_of(whole[start : start + 10]), start)
    assert reasons(merged) == reasons(survey_of(whole))


def test_a_part_profiled_in_another_process_has_the_same_hashes(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps(rows()))
    program = (
        "import json, pickle, sys\n"
        "from orchestrator.dataset.profile import Profile\n"
        "profile = Profile('training')\n"
        "for line, row in enumerate(json.load(open(sys.argv[1])), 1): profile.add(line, row)\n"
        "pickle.dump(profile, sys.stdout.buffer)"
    )
    # Another seed for Python's own hashes, which no hash that is compared may depend on.
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    command = [sys.executable, "-c", program, str(tmp_path / "rows.json")]
    done = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)
    elsewhere, here = pickle.loads(done.stdout), survey_of(rows())
    assert elsewhere.prompts == here.prompts
    assert reasons(elsewhere) == reasons(here)
