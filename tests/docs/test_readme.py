"""What README.md says is what happens."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from support.project import Project, make_project

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
_EXAMPLES = 40
"""What the commands do is looked at here, not how well a model learns: fewer examples are quicker."""
COMMANDS = re.findall(r"^\$ (.+?)(?:\s+#.*)?$", README, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The jobs of the checkout in a folder of their own."""
    root = tmp_path_factory.mktemp("readme")
    found = make_project(root)
    shutil.rmtree(root / "jobs")
    shutil.copytree(ROOT / "jobs", root / "jobs")
    training = root / "jobs" / "drone" / "train.jsonl"
    training.write_text("".join(training.read_text().splitlines(keepends=True)[:_EXAMPLES]))
    return found


def test_there_are_commands_to_check() -> None:
    assert {"make demo", "make test", "ftorch submit jobs/drone.toml"} <= set(COMMANDS)


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.startswith("ftorch ")])
def test_each_command_does_what_it_says(command: str, project: Project) -> None:
    done = project.ftorch(*command.split()[1:])
    assert done.code == 0, done.err


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.startswith("make ")])
def test_each_make_target_exists(command: str) -> None:
    target = command.split()[1]
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_the_job_file_shown_is_the_one_that_ships() -> None:
    shown = README.split("```toml\n")[1].split("```")[0]
    keys = [line.split(" = ") for line in shown.splitlines() if " = " in line]
    shipped = (ROOT / "jobs" / "drone.toml").read_text()
    assert len(keys) >= 8
    for key, value in keys:
        assert re.search(rf"^{key} = {re.escape(value)}", shipped, flags=re.MULTILINE), (key, value)


PAGES = sorted([ROOT / "README.md", ROOT / "jobs" / "README.md", *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
