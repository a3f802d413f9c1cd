"""The training or validation file of a run: its findings, tokens, functions and arguments."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path

from orchestrator.api.reporting import DataRecord, data_record
from orchestrator.dataset.files import inspect_file
from orchestrator.errors import DataFileChanged, NoSuchRun
from orchestrator.reports.documents.data import data_document
from orchestrator.store.runs import Run
from orchestrator.web.links import run_link
from orchestrator.web.page import Asked, Page
from orchestrator.web.rendering import document_parts, render

_ONE_AT_A_TIME = threading.Lock()
"""Counting a large file takes a processor for seconds."""


def data(asked: Asked) -> Page:
    """Raises NoSuchRun, DataFileChanged, and what `inspect_file` raises."""
    run = asked.ledger.run(asked.path["run"])
    path, sha256 = _file_of(run, asked.path["role"])
    with _ONE_AT_A_TIME:
        # A file that is not the one that was submitted may be anybody's: it is neither counted nor shown.
        if inspect_file(Path(path)).sha256 != sha256:
            raise DataFileChanged(path=path, run=run.id)
        document = data_document(_counted(path, sha256))
    parts = document_parts(document, {"contents": render("contents", sections=document.sections)})
    trail = [("Runs", "/runs"), (f"{run.name} {run.id}", run_link(run.id))]
    return Page(document.title, parts, trail, place="Runs", is_live=False)


def _file_of(run: Run, role: str) -> tuple[str, str]:
    files = {
        "training": (run.training_path, run.training_sha256),
        "validation": (run.validation_path, run.validation_sha256),
    }
    path, sha256 = files.get(role, (None, None))
    if not path or not sha256:
        raise NoSuchRun(key=f"{run.id}/{role}")
    return path, sha256


@lru_cache(maxsize=4)
def _counted(path: str, _sha256: str) -> DataRecord:
    return data_record(Path(path))
