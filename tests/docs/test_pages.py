"""The commands of a page run in order, in a copy of the project, and print what the page shows.

Each page is one row of PAGES. In its ```console blocks a line that begins with "$ " is a command, and the lines
below it, up to the next command, are what the page says it prints:

- `ftorch` runs inside this process, and `cat`, `cp` and `mkdir` in a shell. Any other command must be in NOT_RUN,
  with the reason. Text behind two blanks and a `#` is a comment.
- What is shown must be the whole of stdout, or of stdout and stderr as a terminal shows them together. "…" is any
  text within a line, and a line with nothing else is any number of lines. A command with nothing below it may print
  anything.
- Ids of runs and models differ each time, so any id will do; `varying` has more such patterns of one page.
- A command must exit with 0, or with what `exits` says.

To add a page, add its row to PAGES and remove its line from ELSEWHERE. Code blocks that the commands need as files
go into `files`; anything else is made by a function, `setup`.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

import pytest
from support.command import ftorch
from support.project import Project, make_project

ROOT = Path(__file__).parents[2]
SHELL = ("cat", "cp", "mkdir")
COLUMNS = "100"
"""How wide the terminal is: a line of a page should be read without scrolling."""


@dataclass(frozen=True)
class Page:
    """A page, and what its commands need and do."""

    path: str
    files: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """Files that are code blocks of the page: by name, the block's language, and which block, from 0."""
    setup: Callable[[Project], None] | None = None
    exits: Mapping[str, int] = field(default_factory=dict)
    """Exit codes other than 0, by command."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that are set while its commands run."""
    typed: Mapping[str, str] = field(default_factory=dict)
    """What standard input holds, by command; it is not a terminal."""
    varying: tuple[str, ...] = ()
    """Patterns: where one matches the page, any text that it matches may be printed."""


NOT_RUN = {
    "ftorch data preview jobs/drone/train.jsonl --model *": "needs SmolLM2: tests/docs/test_preview_page.py",
    "make *": "the Makefile's own targets; .ci/run runs them",
    "pipx install *": "installs from a checkout: tests/test_installation.py has what is printed there",
}
"""Commands that can't run here, and the reason. A "*" at the end stands for the rest of the command."""

ELSEWHERE = {
    "docs/chat.md": "test_chat_page.py",
}
"""Pages with commands that are not in PAGES: which module runs them, or the reason why none does."""


def cut_two_calls_short(project: Project) -> None:
    """Write `train.jsonl`: the training file of the drone job with the arguments on lines 8 and 10 cut short."""
    lines = (project.root / "jobs" / "drone" / "train.jsonl").read_text().splitlines()
    for number in (8, 10):
        row = json.loads(lines[number - 1])
        function = row["messages"][-1]["tool_calls"][0]["function"]
        function["arguments"] = function["arguments"].removesuffix("}")
        lines[number - 1] = json.dumps(row)
    (project.root / "train.jsonl").write_text("\n".join(lines))


def own_data(project: Project) -> None:
    """An own data file, `data.jsonl`, and nothing else."""
    shutil.copy(project.root / "jobs" / "drone" / "train.jsonl", project.root / "data.jsonl")
    shutil.rmtree(project.root / "jobs")


FIGURES = (
    r" +base +tuned +difference, 95 % CI",
    r"[a-z][a-z -]+ +\d+% of \d+ .+",
    r"[\w ]+: call accuracy tuned .+",
)
"""What an evaluation of a training with a random seed prints."""

PAGES: tuple[Page, ...] = (
    Page(
        "README.md",
        setup=own_data,
        varying=FIGURES,
    ),
    Page("jobs/README.md"),
    Page("docs/convert.md", files={"calls.csv": ("csv", 0), "tools.json": ("json", 0)}),
    Page(
        "docs/data.md",
        setup=cut_two_calls_short,
        exits={
            "ftorch data check train.jsonl": 1,
            "ftorch data diff jobs/stock/train.jsonl jobs/stock/no-descriptions/train.jsonl": 1,
        },
        typed={"ftorch data review jobs/drone/train.jsonl --only land_drone --sample 3": "q\n"},
    ),
    Page("docs/making-data.md", files={"made.toml": ("toml", 0)}),
    Page("docs/cost.md", environment={"OPENAI_API_KEY": "sk-used-for-plans-only"}),
    Page("docs/evaluation.md"),
    Page("docs/sweeps.md", varying=(r" +(?:TIME|[\d min]+ s)\b",)),
    Page("docs/runs.md"),
    Page("docs/records.md", varying=(r"by \S+ on .+", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \w+")),
    Page("docs/endpoints.md"),
    Page("docs/leaving-openai.md"),
    Page("docs/tracking.md"),
    Page(
        "docs/models.md",
        environment={"FTORCH_USER": "ann"},
        varying=(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", r"call accuracy \d+ %"),
    ),
)


@dataclass(frozen=True)
class Step:
    """A command of a page, and what the page shows below it."""

    place: str
    command: str
    shown: str


def steps(page: str) -> list[Step]:
    """The commands in the console blocks of a page, in order."""
    found: list[tuple[int, list[str]]] = []
    console = False
    for number, line in enumerate((ROOT / page).read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            console = line == "```console"
        elif console and line.startswith("$ "):
            found.append((number, [line]))
        elif console:
            found[-1][1].append(line)
    return [Step(f"{page}:{number}", _command(lines[0]), "\n".join(lines[1:])) for number, lines in found]


def _command(line: str) -> str:
    return re.sub(r"\s{2,}#.*", "", line.removeprefix("$ ")).strip()


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in this language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.+?)^```", text, flags=re.DOTALL | re.MULTILINE)


def reason_not_to_run(command: str) -> str | None:
    """Why this command is not run, or None where it is."""
    for each, reason in NOT_RUN.items():
        if command == each or (each.endswith("*") and command.startswith(each[:-1])):
            return reason
    return None


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """A copy of what a checkout has for users, with the files of the page."""
    page: Page = request.getfixturevalue("page")
    made = make_project(tmp_path / "project")
    shutil.rmtree(made.root / "jobs")
    shutil.copytree(ROOT / "jobs", made.root / "jobs")
    shutil.copytree(ROOT / "docs" / "examples", made.root / "docs" / "examples")
    for name, (language, number) in page.files.items():
        (made.root / name).write_text(blocks(page.path, language)[number], encoding="utf-8")
    if page.setup:
        page.setup(made)
    return made


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_the_commands_print_what_the_page_shows(page: Page, project: Project) -> None:
    with project.entered(COLUMNS=COLUMNS, **page.environment):
        for step in steps(page.path):
            if reason_not_to_run(step.command) is None:
                code, printed = run(step.command, page.typed.get(step.command))
                assert code == page.exits.get(step.command, 0), f"{step.place}: {step.command}\n{printed[-1]}"
                if step.shown:
                    assert_printed(step, printed, page.varying)


def run(command: str, typed: str | None = None) -> tuple[int, list[str]]:
    """Run one command in the current folder; its exit code, and stdout without and with stderr."""
    words = [found for word in shlex.split(command) for found in (sorted(glob(word)) or [word])]
    if words[0] == "ftorch":
        done = ftorch(*words[1:], piped=typed)
        return done.exit_code, [done.stdout, done.output]
    assert words[0] in SHELL, f"{command}: put it in NOT_RUN, with the reason"
    finished = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=False)
    return finished.returncode, [finished.stdout + finished.stderr]


def assert_printed(step: Step, printed: list[str], varying: tuple[str, ...]) -> None:
    """Fail, with both texts, unless one of the printed ones is as the page shows it."""
    pattern = re.compile("".join(_patterns(step.shown, varying)))
    texts = ["\n".join(line.rstrip() for line in text.strip("\n").splitlines()) + "\n" for text in printed]
    if not any(pattern.fullmatch(text) for text in texts):
        assert texts[0 if texts[0].strip() else -1] == step.shown, f"{step.place}: {step.command}"


IDS = (
    (r":\w{8}\b", r":\w{8}"),  # the last part of a model's name
    (r"\b(?=[a-z]*\d)(?=\d*[a-z])[0-9a-z]{8}\b", r"[0-9a-z]{8}"),  # a run, a sweep, an evaluation
)


def _patterns(shown: str, varying: tuple[str, ...]) -> Iterator[str]:
    for line in shown.strip("\n").splitlines():
        if line.strip() == "…":
            yield r"(?:.*\n)*?"
        else:
            yield _pattern(line.rstrip(), [*((each, each) for each in varying), *IDS]) + r"\n"


def _pattern(line: str, alternatives: list[tuple[str, str]]) -> str:
    """The pattern of one line: what varies is replaced, the rest is taken literally."""
    for found, printed in alternatives:
        match = re.search(found, line)
        if match:
            before, after = line[: match.start()], line[match.end() :]
            return _pattern(before, alternatives) + printed + _pattern(after, alternatives)
    return re.escape(line).replace("…", ".*")


def test_every_page_with_commands_is_in_one_of_the_tables() -> None:
    known = {page.path for page in PAGES}
    paths = [ROOT / "README.md", ROOT / "jobs" / "README.md", *ROOT.glob("docs/*.md")]
    names = [str(path.relative_to(ROOT)) for path in paths]
    assert {name for name in names if name not in known and steps(name)} == set(ELSEWHERE)
    assert known <= set(names)


def test_every_exception_is_needed() -> None:
    commands = [step.command for page in PAGES for step in steps(page.path)]
    for each in NOT_RUN:
        assert any(command.startswith(each.removesuffix("*")) for command in commands), each
    for page in PAGES:
        own = {step.command for step in steps(page.path)}
        assert set(page.exits) | set(page.typed) <= own, page.path


def test_output_that_differs_is_noticed() -> None:
    step = Step("a page", "ftorch status", "RUN  61px85b6\n…\n1 run of …")
    assert_printed(step, ["RUN  00000000\nmore\nand more\n1 run of 3\n"], ())
    assert_printed(step, ["RUN  abcdefgh\n1 run of 3\n"], ())
    for text in ("RUN  61px85b6\n2 runs of 3\n", "RUN\n1 run of 3\n", "RUN  61px85b6\n1 run of 3\nmore\n"):
        with pytest.raises(AssertionError, match="a page"):
            assert_printed(step, [text], ())
    assert_printed(Step("a page", "ftorch cost", "took 6 s"), ["took 12 s\n"], (r"\d+ s",))
