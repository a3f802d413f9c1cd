"""A folder from somebody else: programs, addresses and model folders that its configuration names for `local`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.openweights import cached_model, model_folder, scribe
from support.project import Project, make_project

__all__ = ["scribe"]


@pytest.fixture
def stranger(tmp_path: Path) -> Project:
    """A project whose user has allowed nothing yet."""
    project = make_project(tmp_path / "project")
    return replace(project, environment={**project.environment, "FTORCH_TRUST": ""})


def configure(project: Project, text: str) -> None:
    (project.root / "ftorch.toml").write_text(text)


@pytest.mark.parametrize(
    "table",
    [
        'python = "./evil.sh"',
        'serving = "vllm"\nvllm_url = "http://127.0.0.1:9"',
        "allow_http = true",
        'launcher = "ray"\n[endpoints.local.ray]\naddress = "http://127.0.0.1:9"\nstorage = "/tmp"',
    ],
)
def test_no_program_is_started_and_no_address_asked_before_it_is_allowed(table: str, stranger: Project) -> None:
    evil = stranger.root / "evil.sh"
    evil.write_text(f"#!/bin/sh\ntouch {stranger.root}/started\n")
    evil.chmod(0o755)
    configure(stranger, f"[endpoints.local]\n{table}\n")
    for command in (
        ("submit", "jobs/greet.toml"),
        ("submit", "jobs/greet.toml", "--dry-run"),
        ("endpoints", "check", "local"),
        ("serve", "--port", "0"),
    ):
        done = stranger.ftorch(*command)
        assert (done.code, "ftorch endpoints trust" in done.err) == (2, True), (command, done)
    assert not (stranger.root / "started").exists()
    assert not (stranger.root / ".ftorch" / "local").exists()


def test_what_is_trusted_is_shown_first_and_asked_about_again_when_it_changes(stranger: Project) -> None:
    configure(stranger, '[endpoints.local]\nserving = "vllm"\nvllm_url = "http://127.0.0.1:9"\n')
    allowed = stranger.ftorch("endpoints", "trust", "--yes")
    assert (allowed.code, "http://127.0.0.1:9" in allowed.err) == (0, True), allowed.err
    assert stranger.ftorch("endpoints", "check", "local").code == 0
    configure(stranger, '[endpoints.local]\nserving = "vllm"\nvllm_url = "http://127.0.0.1:10"\n')
    assert stranger.ftorch("endpoints", "check", "local").code == 2


def test_settings_that_lead_nowhere_need_no_permission(stranger: Project) -> None:
    configure(stranger, "[endpoints.local]\nconstrained = false\nmax_active = 1\n")
    assert stranger.ftorch("endpoints", "check", "local").code == 0


def test_the_users_own_python_needs_no_permission(stranger: Project) -> None:
    own = stranger.root / "home" / ".config" / "ftorch" / "ftorch.toml"
    own.parent.mkdir(parents=True)
    program = own.parent / "python"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    own.write_text('[endpoints.local]\npython = "./python"\n')
    configure(stranger, f'[endpoints.local]\npython = "{program}"\nmax_active = 1\n')
    assert stranger.ftorch("endpoints", "check", "local").code == 0


# --- models ------------------------------------------------------------------------------------------------------


def plan(project: Project, model: str) -> object:
    project.write_job(model=f'model = "{model}"')
    done = project.ftorch("submit", "jobs/greet.toml", "--dry-run", "--json")
    return json.loads(done.out)["base_folder"] if done.code == 0 else done.err


def test_a_folder_outside_the_project_is_used_only_once_it_is_allowed(
    stranger: Project, scribe: None, tmp_path: Path
) -> None:
    private = model_folder(tmp_path / "private")
    configure(stranger, '[models]\nsmol = "../private"\n')
    refused = str(plan(stranger, "smol"))
    assert "names a folder outside the project for the model smol: ../private" in refused
    assert "ftorch endpoints trust" in refused
    assert stranger.ftorch("endpoints", "check", "local").code == 0  # the rest of the project works
    allowed = stranger.ftorch("endpoints", "trust", "--yes")
    assert "../private" in allowed.err
    assert plan(stranger, "smol") == str(private)
    model_folder(tmp_path / "other")
    configure(stranger, '[models]\nsmol = "../other"\n')
    assert "ftorch endpoints trust" in str(plan(stranger, "smol"))


def test_a_link_inside_the_project_leads_outside_too(stranger: Project, tmp_path: Path) -> None:
    model_folder(tmp_path / "private")
    (stranger.root / "linked").symlink_to(tmp_path / "private")
    configure(stranger, '[models]\nsmol = "linked"\n')
    assert "ftorch endpoints trust" in str(plan(stranger, "smol"))


def test_models_in_the_project_and_downloaded_ones_need_no_permission(stranger: Project, tmp_path: Path) -> None:
    inside = model_folder(stranger.root / "models" / "smol")
    cache = tmp_path / "cache"
    cached = cached_model(cache, "org/other", b"others")
    stranger = replace(stranger, environment={**stranger.environment, "HF_HUB_CACHE": str(cache)})
    configure(stranger, '[models]\nsmol = "models/smol"\nother = "org/other"\n')
    assert plan(stranger, "smol") == str(inside)
    assert plan(stranger, "other") == str(cached)


def test_the_users_own_models_need_no_permission(stranger: Project, tmp_path: Path) -> None:
    private = model_folder(tmp_path / "private")
    own = stranger.root / "home" / ".config" / "ftorch" / "ftorch.toml"
    own.parent.mkdir(parents=True)
    own.write_text(f'[models]\nsmol = "{private}"\n')
    assert plan(stranger, "smol") == str(private)
