"""A folder from somebody else: its hosts, variables and recorded runs count only once the user allows them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.paid_host import PaidHost, paid_host
from support.project import Project, make_project

from orchestrator.endpointtables import RULES

HARMLESS = {
    "max_active",
    "poll_seconds",
    "settling_seconds",
    "timeout_seconds",
    "max_cost_usd_per_month",
    "prices",
    "hyperparameters",
    "result",
    "suffix_max",
    "api",
    "serving",
    "constrained",
    "dedicated",
    "serving_models",
}
"""The keys that lead to no host, variable, account or program, and take no protection away."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


@pytest.fixture
def stranger(project: Project) -> Project:
    """A project whose user has allowed nothing yet."""
    return replace(project, environment={**project.environment, "FTORCH_TRUST": "", "CANARY": "canary-of-the-user"})


@pytest.fixture
def host() -> Iterator[PaidHost]:
    with paid_host() as served:
        yield served


def lead_to(host: PaidHost, project: Project, variable: str = "CANARY") -> None:
    host.configure(project.root, settings=f'api_key_env = "{variable}"\n')
    project.write_job(endpoint='endpoint = "paid"')


def test_every_key_is_classified() -> None:
    assert {key for key, rule in RULES.items() if not rule.reaches} == HARMLESS


# --- endpoints ---------------------------------------------------------------------------------------------------


def test_nothing_goes_to_a_host_before_it_is_allowed(stranger: Project, host: PaidHost) -> None:
    lead_to(host, stranger)
    for command in (
        ("submit", "jobs/greet.toml", "--yes"),
        ("submit", "jobs/greet.toml", "--dry-run"),
        ("endpoints", "check", "paid"),
        ("adopt", "--all", "--endpoint", "paid"),
        ("doctor", "--endpoint", "paid"),
        ("chat", "--model", "gpt", "--endpoint", "paid"),
    ):
        done = stranger.ftorch(*command)
        assert done.code == 2, (command, done)
        assert "canary-of-the-user" not in done.out + done.err
    assert host.requests == 0
    refused = stranger.ftorch("submit", "jobs/greet.toml", "--yes").err
    assert f'base_url = "{host.address}"' in refused
    assert 'api_key_env = "CANARY"' in refused
    assert "ftorch endpoints trust" in refused


def test_what_is_allowed_is_used_until_it_leads_elsewhere(stranger: Project, host: PaidHost) -> None:
    lead_to(host, stranger)
    allowed = stranger.ftorch("endpoints", "trust", "--yes")
    assert (allowed.code, host.address in allowed.err, "CANARY" in allowed.err) == (0, True, True), allowed.err
    assert stranger.ftorch("submit", "jobs/greet.toml", "--yes").code == 0
    lead_to(host, stranger, "OTHER")
    refused = stranger.ftorch("submit", "jobs/greet.toml", "--again", "--yes", OTHER="canary-other")
    assert (refused.code, 'api_key_env = "OTHER"' in refused.err) == (2, True), refused.err


def test_other_settings_may_change_without_being_allowed_again(stranger: Project, host: PaidHost) -> None:
    lead_to(host, stranger)
    stranger.ftorch("endpoints", "trust", "--yes")
    path = stranger.root / "ftorch.toml"
    path.write_text(path.read_text() + "max_active = 2\n[endpoints.openai]\nmax_active = 5\n")
    assert stranger.ftorch("endpoints", "check", "paid").code == 0


def test_the_same_file_elsewhere_is_another_one(stranger: Project, host: PaidHost, tmp_path: Path) -> None:
    lead_to(host, stranger)
    stranger.ftorch("endpoints", "trust", "--yes")
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "ftorch.toml").write_bytes((stranger.root / "ftorch.toml").read_bytes())
    assert replace(stranger, root=copy).ftorch("endpoints", "check", "paid").code == 2


def test_the_users_own_file_needs_no_leave(stranger: Project, host: PaidHost) -> None:
    lead_to(host, stranger)
    own = stranger.root / "home" / ".config" / "ftorch" / "ftorch.toml"
    own.parent.mkdir(parents=True)
    (stranger.root / "ftorch.toml").rename(own)
    (stranger.root / "prices.toml").rename(own.with_name("prices.toml"))
    (stranger.root / "ftorch.toml").write_text("[endpoints.paid]\nmax_active = 1\n")
    assert stranger.ftorch("endpoints", "check", "paid").code == 0
    (stranger.root / "ftorch.toml").write_text('[endpoints.paid]\nbase_url = "https://elsewhere.example/v1"\n')
    refused = stranger.ftorch("endpoints", "check", "paid")
    assert (refused.code, "elsewhere.example" in refused.err) == (2, True), refused.err


@pytest.mark.parametrize(
    "table",
    [
        '[endpoints.openai]\nbase_url = "https://elsewhere.example/v1"\n',
        '[endpoints.openai]\ntype = "compatible"\n',
        '[endpoints.local]\ntype = "compatible"\nbase_url = "https://elsewhere.example/v1"\n',
    ],
)
def test_a_project_can_not_point_a_built_in_name_elsewhere(table: str, project: Project) -> None:
    (project.root / "ftorch.toml").write_text(table)
    refused = project.ftorch("endpoints")
    assert (refused.code, "a project can't redirect" in refused.err) == (2, True), refused.err


def test_a_built_in_names_variable_is_for_the_user_to_allow(stranger: Project) -> None:
    (stranger.root / "ftorch.toml").write_text('[endpoints.openai]\napi_key_env = "CANARY"\n')
    refused = stranger.ftorch("endpoints", "check", "openai")
    assert (refused.code, 'says api_key_env = "CANARY"' in refused.err) == (2, True), refused.err


def test_without_a_terminal_nothing_is_allowed_unasked(stranger: Project, host: PaidHost) -> None:
    lead_to(host, stranger)
    done = stranger.ftorch("endpoints", "trust")
    assert (done.code, "add --yes" in done.err) == (4, True), done.err
    assert stranger.terminal("endpoints", "trust", typed="n\n").code == 1
    assert stranger.ftorch("endpoints", "check", "paid").code == 2
    assert stranger.terminal("endpoints", "trust", typed="y\n").code == 0
    assert stranger.ftorch("endpoints", "check", "paid").code == 0


def test_a_plan_says_where_the_data_goes_and_with_whose_key(stranger: Project, host: PaidHost) -> None:
    lead_to(host, stranger)
    stranger.ftorch("endpoints", "trust", "--yes")
    plan = stranger.ftorch("submit", "jobs/greet.toml", "--dry-run").err
    assert f"{host.address}, key from CANARY" in " ".join(plan.split())
    asked = stranger.ftorch("submit", "jobs/greet.toml", "--dry-run", "--json")
    found = json.loads(asked.out)
    assert (found["base_url"], found["api_key_env"]) == (host.address, "CANARY")


# --- the state directory -----------------------------------------------------------------------------------------


def test_what_this_user_made_is_used(stranger: Project) -> None:
    assert stranger.ftorch("submit", "jobs/greet.toml").code == 0
    assert stranger.ftorch("status").code == 0
    assert (stranger.root / ".ftorch" / ".gitignore").read_text() == "*\n"


def test_what_another_user_made_is_not_used_unasked(stranger: Project) -> None:
    assert stranger.ftorch("submit", "jobs/greet.toml").code == 0
    another = replace(stranger, environment={**stranger.environment, "HOME": str(stranger.root / "another")})
    before = {path: path.read_bytes() for path in (stranger.root / ".ftorch").rglob("*") if path.is_file()}
    for command in (("status",), ("resume",), ("submit", "jobs/greet.toml"), ("endpoints", "check", "local")):
        done = another.ftorch(*command)
        assert (done.code, "was not made by you" in done.err) == (2, True), (command, done)
    assert {path: path.read_bytes() for path in (stranger.root / ".ftorch").rglob("*") if path.is_file()} == before
    assert another.ftorch("endpoints", "trust", "--yes").code == 0
    assert len(another.status()) == 1


def test_a_moved_project_stays_the_users_own(stranger: Project, tmp_path: Path) -> None:
    assert stranger.ftorch("submit", "jobs/greet.toml").code == 0
    moved = tmp_path / "moved"
    moved.mkdir()
    (stranger.root / ".ftorch").rename(moved / ".ftorch")
    assert len(replace(stranger, root=moved).status()) == 1


def test_a_link_is_not_followed_unasked(stranger: Project, tmp_path: Path) -> None:
    assert stranger.ftorch("submit", "jobs/greet.toml").code == 0
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / ".ftorch").symlink_to(stranger.root / ".ftorch")
    done = replace(stranger, root=clone).ftorch("status")
    assert (done.code, "is a link to" in done.err) == (2, True), done.err


@pytest.mark.parametrize("version", ["2", "4"])
def test_what_git_tracks_is_not_used_unasked(version: str, stranger: Project) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(stranger.root), *arguments], check=True, capture_output=True)

    git("init")
    git("config", "index.version", version)
    git("add", "jobs")
    assert stranger.ftorch("submit", "jobs/greet.toml").code == 0
    assert stranger.ftorch("status").code == 0
    git("add", "--force", ".ftorch/ftorch.db")
    done = stranger.ftorch("status")
    assert (done.code, "is tracked by git" in done.err) == (2, True), done.err
    assert stranger.ftorch("endpoints", "trust", "--yes").code == 0
    assert stranger.ftorch("status").code == 0


def test_a_directory_that_the_user_names_is_the_users_choice(stranger: Project, tmp_path: Path) -> None:
    assert stranger.ftorch("submit", "jobs/greet.toml").code == 0
    other = {"HOME": str(tmp_path / "other"), "FTORCH_HOME": str(stranger.root / ".ftorch")}
    assert stranger.ftorch("status", **other).code == 0


def test_where_nothing_can_be_remembered_the_way_on_is_named(stranger: Project) -> None:
    folder = stranger.root / "home" / ".config" / "ftorch"
    folder.mkdir(parents=True)
    (folder / "trusted").write_text("a file in its place")
    done = stranger.ftorch("submit", "jobs/greet.toml")
    assert (done.code, "FTORCH_TRUST=1" in done.err) == (1, True), done.err
    assert stranger.ftorch("submit", "jobs/greet.toml", FTORCH_TRUST="1").code == 0
