from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.project import make_project

from orchestrator.dataset.files import inspect_file
from orchestrator.jobfile import JobFile, load_job_file
from orchestrator.ledger import Ledger, open_ledger

CASES = 10


@pytest.fixture
def job(home: Path) -> JobFile:
    """A job file with ten cases, whose ids are those of recorded evaluations."""
    project = make_project(home / "project")
    row = json.loads((project.root / "jobs" / "train.jsonl").read_text().splitlines()[0])
    lines = [json.dumps({"id": f"case-{number}", **row}) for number in range(1, CASES + 1)]
    (project.root / "jobs" / "cases.jsonl").write_text("\n".join(lines))
    return load_job_file(project.write_job('[evaluation]\nfile = "cases.jsonl"\n', endpoint='endpoint = "openai"'))


@pytest.fixture
def ledger(job: JobFile) -> Iterator[Ledger]:
    with open_ledger(job.source.parent, create=True) as opened:
        yield opened


@pytest.fixture
def asked(job: JobFile) -> Callable[..., dict[str, Any]]:
    """The columns of an evaluation of the job's cases."""

    def make(**changes: Any) -> dict[str, Any]:
        path = job.evaluation_path
        assert path is not None
        return {"file_path": str(path), "file_sha256": inspect_file(path).sha256, **changes}

    return make
