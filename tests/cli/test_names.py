"""The names that a user can type, and what help says of them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from support.project import FTORCH, Project

from orchestrator.cli import main

OLD = {
    "deploy": "deployments create",
    "undeploy": "deployments remove",
    "adopt": "runs adopt",
    "doctor": "endpoints doctor",
}
TYPED = {
    **dict.fromkeys(("ls", "list", "jobs", "ps"), "status"),
    "train": "submit",
    "eval": "evaluate",
    "sweeps list": "sweep list",
    "models ls": "models list",
}


def _commands(command: click.Command = main, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(path), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _commands(found, (*path, name))


COMMANDS = dict(_commands())
GROUPS = [path for path, command in COMMANDS.items() if isinstance(command, click.Group)]


def test_the_commands_fit_one_screen(project: Project) -> None:
    assert len(main.list_commands(click.Context(main))) <= 28
    assert len(project.ftorch("--help", COLUMNS="80").out.splitlines()) <= 50


@pytest.mark.parametrize("group", GROUPS)
def test_no_summary_is_cut_or_wrapped_at_80_columns(group: str, project: Project) -> None:
    shown = project.ftorch(*group.split(), "--help", COLUMNS="80").out
    listed = shown.partition("\n\nCommands:" if group else "\n\nTrain:")[2]
    lines = [line for line in listed.splitlines() if line.startswith("  ")]
    assert lines
    assert [line for line in lines if not re.fullmatch(r"  \S+ +[A-Z].*\.", line) or line.endswith("...")] == []


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_says_in_a_sentence_what_it_does(path: str) -> None:
    options = [each for each in COMMANDS[path].params if isinstance(each, click.Option) and not each.hidden]
    sentence = re.compile(r"[A-Z]\S* \S+ \S.*\.(  \[default: .+\])?")
    assert [each.opts for each in options if not sentence.fullmatch(each.help or "")] == []


@pytest.mark.parametrize(("typed", "means"), [*OLD.items(), *TYPED.items()])
def test_other_names_are_hidden_and_mean_the_same(typed: str, means: str, project: Project) -> None:
    asked = project.ftorch(*typed.split(), "--help")
    assert asked.code == 0
    meant = project.ftorch(*means.split(), "--help").out
    assert asked.out.removeprefix(f"Usage: ftorch {typed}") == meant.removeprefix(f"Usage: ftorch {means}")
    if " " not in typed:
        assert not re.search(rf"^  {typed} ", project.ftorch("--help").out, re.MULTILINE)


@pytest.mark.parametrize(
    ("group", "options"),
    [("models", ["--json"]), ("endpoints", ["--json"]), ("deployments", ["--idle", "24h"]), ("sweep", [])],
)
def test_a_group_alone_lists(group: str, options: list[str], project: Project) -> None:
    alone = project.ftorch(group, *options)
    assert alone.code == 0
    assert alone == project.ftorch(group, "list", *options)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("stop greet", "Did you mean `ftorch cancel RUN` or `ftorch sweep stop NAME`?"),
        ("stats jobs/train.jsonl", "Did you mean `ftorch data stats`?"),
        ("sbmit jobs/greet.toml", "Did you mean `ftorch submit`?"),
        ("data chek", "Did you mean `ftorch data check`?"),
        ("models drone", "Commands: list, get"),
        ("xyzzy", "To list the commands: ftorch --help"),
    ],
)
def test_a_wrong_name_says_what_may_be_meant(typed: str, said: str, project: Project) -> None:
    refused = project.ftorch(*typed.split())
    assert (refused.code, said in refused.err) == (2, True), refused.err


def test_the_version_has_three_spellings(project: Project) -> None:
    shown = {project.ftorch(each).out for each in ("-V", "--version", "version")}
    assert len(shown) == 1
    assert shown.pop().startswith("ftorch ")


def test_get_prints_the_model_id_of_a_run_alone(project: Project) -> None:
    missing = project.ftorch("models", "get", "greet")
    assert (missing.code, 'no run "greet"' in missing.err) == (2, True)
    model = project.ftorch("submit", "jobs/greet.toml").out.strip()
    [run] = project.status()
    for key in ("greet", str(run["run"]), model):
        assert project.ftorch("models", "get", key).out == f"{model}\n"


def test_get_says_why_a_run_has_no_model(project: Project) -> None:
    project.ftorch("submit", "jobs/greet.toml", "--detach")
    refused = project.ftorch("models", "get", "greet")
    assert (refused.code, "has no model: it is " in refused.err) == (1, True), refused.err


# --- Completion --------------------------------------------------------------------------------------------------


def completed(line: str, folder: Path) -> list[str]:
    """What a real bash offers after Tab at the end of this line."""
    program = f"""
        PATH={Path(FTORCH).parent}:$PATH
        eval "$(ftorch completion bash)"
        COMP_WORDS=({line} {"''" if line.endswith(" ") else ""})
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _ftorch_completion ftorch
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", program], cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.split()


def test_bash_completes_commands_and_options(project: Project) -> None:
    assert completed("ftorch depl", project.root) == ["deployments"]
    assert completed("ftorch deployments ", project.root) == ["list", "create", "remove"]
    assert "--drop" in completed("ftorch evaluate --d", project.root)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_a_script_too(shell: str, project: Project) -> None:
    done = project.ftorch("completion", shell)
    assert (done.code, "_FTORCH_COMPLETE" in done.out, "ftorch" in done.out) == (0, True, True)
