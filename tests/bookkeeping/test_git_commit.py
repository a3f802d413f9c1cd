"""The commit behind a submission, also where the repository is another person's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from orchestrator.bookkeeping import provenance
from orchestrator.bookkeeping.provenance import WorkTree, work_tree


def git(folder: Path, *arguments: str) -> str:
    settings = ("-c", "user.name=ann", "-c", "user.email=ann@example.com", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit of one file, in a folder below its top."""
    root = tmp_path / "repository"
    (root / "jobs").mkdir(parents=True)
    (root / "jobs" / "drone.toml").write_text('name = "drone"\n')
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "first")
    return root


def test_a_clean_tree_is_its_commit(repository: Path) -> None:
    assert work_tree(repository / "jobs") == WorkTree(git(repository, "rev-parse", "HEAD"), is_clean=True)


def test_only_a_change_of_a_tracked_file_is_a_change(repository: Path) -> None:
    (repository / "notes.txt").write_text("not added")
    assert work_tree(repository / "jobs").is_clean is True
    (repository / "jobs" / "drone.toml").write_text('name = "other"\n')
    assert work_tree(repository / "jobs").is_clean is False
    git(repository, "commit", "--quiet", "--all", "--message", "second")
    assert work_tree(repository / "jobs").is_clean is True


def test_without_a_commit_a_repository_or_git_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert work_tree(tmp_path) == WorkTree()
    assert work_tree(tmp_path / "missing") == WorkTree()
    git(tmp_path, "init", "--quiet")
    assert work_tree(tmp_path) == WorkTree()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert work_tree(tmp_path) == WorkTree()


def test_a_tree_that_takes_too_long_is_recorded_with_its_commit(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    real = subprocess.run(["which", "git"], check=True, capture_output=True, text=True).stdout.strip()
    slow.write_text(f'#!/bin/sh\ncase "$*" in *"status --porcelain"*) exec sleep 60;; esac\nexec {real} "$@"\n')
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(provenance, "_SECONDS", 0.5)
    assert work_tree(repository) == WorkTree(git(repository, "rev-parse", "HEAD"), is_clean=None)


def test_no_program_that_the_repository_names_is_run(repository: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho $0 >> {ran}\ncat\n")
    program.chmod(0o755)
    (repository / ".gitattributes").write_text("*.toml filter=theirs\n")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "attributes")
    commit = git(repository, "rev-parse", "HEAD")
    for name in ("core.fsmonitor", "filter.theirs.clean", "filter.a=b.clean", "core.sshCommand"):
        git(repository, "config", name, str(program))
    (repository / ".git" / "hooks" / "post-index-change").symlink_to(program)
    os.utime(repository / "jobs" / "drone.toml", (1, 1))  # its content is compared again
    assert work_tree(repository) == WorkTree(commit, is_clean=None)
    assert not ran.exists()
    git(repository, "config", "--unset", "filter.theirs.clean")
    git(repository, "config", "--unset", "filter.a=b.clean")
    assert work_tree(repository) == WorkTree(commit, is_clean=True)
    assert not ran.exists()
    git(repository, "status")
    assert ran.exists(), "git itself runs it, so the test would notice"
