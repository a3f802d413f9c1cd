"""What a forge and pre-commit would run is what the Makefile offers. No forge has run these files yet."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOT_MAKE = {
    "sudo apt-get install --yes postgresql",
    'gh release create "$GITHUB_REF_NAME" dist/* --repo "$GITHUB_REPOSITORY" --verify-tag --draft',
}
"""What has to be run without make, to the letter."""


def _load(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text())
    return found


JOBS = [
    pytest.param(job, id=f"{path.stem}-{name}") for path in WORKFLOWS for name, job in _load(path)["jobs"].items()
]


def _run(job: dict[str, Any]) -> list[str]:
    return [line for step in job["steps"] for line in step.get("run", "").splitlines()]


def test_the_workflows_are_those_that_the_project_needs() -> None:
    jobs = {path.stem: set(_load(path)["jobs"]) for path in WORKFLOWS}
    assert jobs["checks"] == {"lint", "test", "slow", "postgresql", "azure", "lowest"}
    assert jobs["weekly"] == {"newest", "faults", "fuzz"}
    assert jobs["release"] == {"build", "publish"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_says_that_it_never_ran_and_may_only_read(path: Path) -> None:
    assert path.read_text().startswith("# Never run yet")
    assert _load(path)["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("job", JOBS)
def test_a_job_runs_make_targets_that_exist(job: dict[str, Any]) -> None:
    for line in _run(job):
        if line in NOT_MAKE:
            continue
        program, target, *settings = shlex.split(line)
        assert program == "make", line
        assert target in TARGETS, line
        assert all(re.match(r"(ARGS|TAG)=", each) for each in settings), line


@pytest.mark.parametrize("job", JOBS)
def test_a_job_ends_by_itself_and_uses_the_forges_own_actions_in_a_named_version(job: dict[str, Any]) -> None:
    assert 0 < job["timeout-minutes"] <= 120
    for step in job["steps"]:
        assert ("uses" in step) != ("run" in step)
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/none@v0"))


@pytest.mark.parametrize("job", JOBS)
def test_no_text_from_outside_gets_into_a_command(job: dict[str, Any]) -> None:
    assert [line for line in _run(job) if "${{" in line] == []


def test_tests_run_on_every_python_that_the_classifiers_name() -> None:
    tested = _load(ROOT / ".github" / "workflows" / "checks.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    prefix = "Programming Language :: Python :: "
    named = {each.removeprefix(prefix) for each in PROJECT["classifiers"] if each.startswith(prefix)}
    assert named <= set(tested)
    assert PROJECT["requires-python"] == f">={tested[0]}"
    for version in tested:
        assert f"python{version} " in (ROOT / "Makefile").read_text()


def test_the_lowest_versions_are_tested_on_the_lowest_python() -> None:
    steps = _load(ROOT / ".github" / "workflows" / "checks.yml")["jobs"]["lowest"]["steps"]
    [python] = [step["with"]["python-version"] for step in steps if "python-version" in step.get("with", {})]
    assert PROJECT["requires-python"] == f">={python}"


def test_a_release_is_made_from_a_tag_after_everything_passed() -> None:
    release = _load(ROOT / ".github" / "workflows" / "release.yml")
    assert release[True] == {"push": {"tags": ["v*"]}}  # YAML reads the key `on` as true
    build = _run(release["jobs"]["build"])
    assert build[:-1] == ["make lint", "make test-all", "make test-lowest"]
    assert build[-1].startswith("make dist TAG=")
    assert release["jobs"]["publish"]["needs"] == "build"


def test_pre_commit_fetches_nothing_and_runs_what_is_installed_for_lint() -> None:
    config = _load(ROOT / ".pre-commit-config.yaml")
    installed = {"python", "lint-imports"} | {
        re.split(r"[>=<]", each)[0] for each in PROJECT["optional-dependencies"]["lint"]
    }
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    for hook in [hook for repo in config["repos"] for hook in repo["hooks"]]:
        assert hook["language"] == "system"
        program = hook["entry"].split()[0]
        assert program.removeprefix(".venv/bin/") in installed
        assert program.startswith(".venv/bin/")


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem
)
def test_an_issue_template_is_a_form(path: Path) -> None:
    form = _load(path)
    assert {"name", "description", "body"} <= set(form)
    for field in form["body"]:
        assert field["type"] in {"markdown", "textarea", "input", "dropdown", "checkboxes"}
        assert field["type"] == "markdown" or {"id", "attributes"} <= set(field)
    assert any(field.get("validations", {}).get("required") for field in form["body"])
