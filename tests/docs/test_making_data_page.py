"""The commands of docs/making-data.md run offline, one after the other, and the plan is as the page shows it."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from support.project import make_project

from orchestrator.generation.words import PROMPTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "making-data.md").read_text()
DRONE = ("train.jsonl", "evaluation.jsonl")


def test_every_command_runs_and_the_plan_is_as_shown(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (project.root / "jobs" / "drone").mkdir()
    for name in DRONE:
        shutil.copy(ROOT / "jobs" / "drone" / name, project.root / "jobs" / "drone" / name)
    [job] = re.findall(r"^```toml\n(.+?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    (project.root / "made.toml").write_text(job)
    commands = re.findall(r"^\$ ftorch (.+)$", PAGE, flags=re.MULTILINE)
    assert len(commands) == 8
    shown = []
    for command in commands:
        done = project.ftorch(*shlex.split(command), COLUMNS="80")
        assert done.code == 0, done.err
        shown.append(done.out)
    [plan] = re.findall(r"^```\n(Generation: .+?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    printed = [line.rstrip() for line in shown[0].splitlines()]
    assert printed[: len(plan.splitlines())] == plan.splitlines()


def test_every_reason_of_a_drop_is_explained() -> None:
    sources = [path.read_text() for path in (ROOT / "orchestrator" / "generation").rglob("*.py")]
    reasons = {word for text in sources for word in re.findall(r'Drop\([^)]*?"([a-z]+(?:-[a-z]+)+)"', text)}
    missing = {reason for reason in reasons if f"`{reason}`" not in PAGE}
    assert missing <= {"teacher-error", "verifier-error"}, missing  # the endpoint's own words follow those


def test_prompts_have_a_version() -> None:
    assert (ROOT / "orchestrator" / "generation" / "prompts" / f"{PROMPTS}.md").is_file()
