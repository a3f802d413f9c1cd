"""A scripted host that has files, models and evals too, and a project that uses it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.project import Project, Result, make_project
from support.scripted_host import Answer, Asked, ScriptedHost, refusal

from orchestrator.endpoints import retries

MODEL = "gpt-4.1-mini-2025-04-14"


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedHost]:
    """With one succeeded job, its files and its model."""
    monkeypatch.setattr(retries.Retries, "base", 0.001)
    host = ScriptedHost()
    serve_files(host, {"file-train": b'{"messages": []}\n', "file-results": b"c3RlcCx0cmFpbl9sb3NzCjEsMC41Cg=="})
    serve_models(host, {MODEL: "2027-01-14", f"ft:{MODEL}:org::0001": None})
    job = host.make({"model": MODEL, "training_file": "file-train"})
    host.end(job["id"], result_files=["file-results"], trained_tokens=2_000_000)
    with host.running():
        yield host


def serve_files(host: ScriptedHost, contents: dict[str, bytes]) -> None:
    """Have the host list and return these files."""
    for file_id, content in contents.items():
        purpose = "fine-tune-results" if "result" in file_id else "fine-tune"
        host.files[file_id] = {
            "id": file_id,
            "object": "file",
            "filename": f"{file_id}.jsonl",
            "bytes": len(content),
            "created_at": 1,
            "purpose": purpose,
        }

    def content_of(asked: Asked) -> Answer | None:
        file_id = asked.line.split("/")[-2]
        return Answer(200, contents[file_id]) if file_id in contents else None

    host.on("GET /files/[^/]+/content", content_of)


def serve_models(host: ScriptedHost, dates: dict[str, str | None]) -> None:
    """Have the host list these models, with their shutdown dates."""
    models = [
        {"id": name, "object": "model", "created": 1, "owned_by": "org", "shutdown_date": ends}
        for name, ends in dates.items()
    ]
    host.on("GET /models", Answer(200, {"object": "list", "data": models}))
    missing = refusal(404, "The model does not exist", "model_not_found")
    host.on("GET /models/.+", missing)


@pytest.fixture
def project(tmp_path: Path, host: ScriptedHost) -> Project:
    made = make_project(tmp_path / "project")
    table = ["[endpoints.hosted]", 'type = "compatible"', f'base_url = "{host.url}"', 'api_key_env = "HOSTED_KEY"']
    pace = ["poll_seconds = 0.05", "settling_seconds = 0.1", "timeout_seconds = 5"]
    (made.root / "ftorch.toml").write_text("\n".join([*table, *pace]) + "\n")
    return Project(made.root, {**made.environment, "HOSTED_KEY": "sk-rescue-7f3a9c51"})


@pytest.fixture
def rescue(project: Project) -> Callable[..., tuple[Result, dict[str, Any]]]:
    """Runs the command; its result, and the object that it prints."""

    def run(*arguments: str, code: int = 0) -> tuple[Result, dict[str, Any]]:
        done = project.ftorch("rescue", "hosted", "-o", "rescued", "--json", *arguments)
        assert done.code == code, done
        return done, json.loads(done.out) if done.out else {}

    return run
