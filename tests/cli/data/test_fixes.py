"""What the fix of a finding tells the user to type."""

from __future__ import annotations

import json
import shlex

import pytest
from support.project import Project
from support.rows import DECLARED, EXAMPLE, FUNCTION, MISSING, PREFERENCE, TOOL, Row, changed, said

TAKES_NOTHING = changed(EXAMPLE, *DECLARED, "parameters", {"type": "object", "properties": {}})
PYTHON_TYPES = {"type": "dict", "properties": {"metres": {"type": "any"}}}


@pytest.mark.parametrize(
    ("row", "option"),
    [
        (changed(EXAMPLE, *DECLARED, "parameters", '{"type": "object", "properties": {}}'), ""),
        (changed(EXAMPLE, *DECLARED, "parameters", {"metres": {"type": "integer"}}), ""),
        (changed(EXAMPLE, *DECLARED, "parameters", PYTHON_TYPES), ""),
        (changed(EXAMPLE, "tools", [TOOL["function"]]), ""),
        (changed(EXAMPLE, "messages", 2, "tool_calls", 0, "index", 0), ""),
        (changed(EXAMPLE, *FUNCTION, "description", "Up."), ""),
        (changed(TAKES_NOTHING, *FUNCTION, "arguments", ""), ""),
        (changed(TAKES_NOTHING, *FUNCTION, "arguments", "null"), ""),
        (changed(EXAMPLE, "messages", 2, "tool_calls", 0, "type", MISSING), ""),
        (changed(EXAMPLE, "messages", 4, {"role": "assistant", "content": "Done.", "trainable": False}), ""),
        ({**EXAMPLE, "label": False}, " --to supervised"),
        ({**said("<image>What is it?"), "images": ["https://example.org/a.png"]}, ""),
        ({**said("<image>What is it?"), "images": ["img/amber.jpg"]}, " --drop-column images"),
        ({**EXAMPLE, "temperature": 1, "my id": 5}, " --drop-column temperature --drop-column 'my id'"),
        (changed(EXAMPLE, "messages", 1, "timestamp", "2024"), " --drop-column timestamp"),
        (changed(EXAMPLE, "messages", 4, "thinking", "Hm."), " --drop-column thinking"),
        ({**PREFERENCE, "id": 5}, " --drop-column id"),
        (said([{"type": "text", "text": "Hi", "cache_control": {}}]), " --drop-column cache_control"),
    ],
)
def test_the_command_of_a_fix_takes_its_finding_away(project: Project, row: Row, option: str) -> None:
    (project.root / "rows.jsonl").write_text(f"{json.dumps(row)}\n{json.dumps({**row, 'label': None})}\n")
    found = json.loads(project.ftorch("data", "check", "rows.jsonl", "--json").out)["findings"]
    fixes = {each["code"]: each["fix"] for each in found if each["code"][:3] in ("FT2", "FT3")}
    command = f"ftorch data convert rows.jsonl -o rows.converted.jsonl{option}"
    assert [fix[fix.index("ftorch") :] for fix in fixes.values() if command in fix]
    done = project.ftorch(*shlex.split(command)[1:])
    assert done.code == 0, done.out + done.err
    found = json.loads(project.ftorch("data", "check", "rows.converted.jsonl", "--json").out)["findings"]
    assert fixes.keys() & {each["code"] for each in found} == set()
