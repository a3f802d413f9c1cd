"""Comparing how ftorch renders a training file with how an endpoint turns it into tokens."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from orchestrator.api.host import Host
from orchestrator.config import EndpointConfig
from orchestrator.dataset.checking.rendering import Base
from orchestrator.dataset.checking.rows import Row, read_rows
from orchestrator.dataset.files import DataFile, inspect_file
from orchestrator.dataset.preview.comparison import RowComparison, Tokens, compare_row
from orchestrator.dataset.rendering.renderer import Renderer, open_renderer
from orchestrator.endpoints import capabilities_of, visit_endpoint
from orchestrator.endpoints.basefolders import require_base
from orchestrator.endpoints.interface import TRAINING, TokenizedRow
from orchestrator.engine.machine import Wait
from orchestrator.engine.worker import Clock, new_owner, run_blocking
from orchestrator.errors import CannotRender, DataBehindAddress, PreviewNotPossible, UploadNotConfirmed
from orchestrator.jobfile import JobFile, load_job_file
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.runs.context import Context
from orchestrator.runs.uploading import file_on_endpoint
from orchestrator.store import uploads


@dataclass(frozen=True)
class EndpointPreview:
    """The first rows of a job's training file, here and on its endpoint."""

    path: Path
    endpoint: str
    model: str
    base: Base
    """What rendered the rows here."""
    rows: tuple[RowComparison, ...]

    @property
    def is_learned_alike(self) -> bool:
        return all(row.is_learned_alike for row in self.rows)


def preview_there(
    job_file: Path, host: Host, *, endpoint: str | None = None, model: str | None = None, rows: int = 5
) -> EndpointPreview:
    """Compare the first `rows` of a job file's training file. The file is uploaded if it isn't there yet, after a
    yes; nothing is paid. `model` renders here in place of the job's base model.

    Raises UnknownEndpoint, EndpointNotUsable, PreviewNotPossible, UploadNotConfirmed, NoSuchBase,
    DataBehindAddress, the errors of job files, data files and model folders, and EndpointError.
    """
    job = load_job_file(job_file)
    with open_ledger(job_file.parent, create=True) as ledger:
        config = ledger.workspace.endpoint(endpoint or job.endpoint)
        path = _previewable(job, config)
        base = require_base(model or job.model, ledger.workspace)
        renderer, file = open_renderer(base.folder), inspect_file(path)
        if not _is_there(ledger, config, file):
            size = f"{file.size:,} bytes"
            refusal = UploadNotConfirmed(path=path, endpoint=config.name, size=size)
            host.confirm(f"Upload {path} ({size}) to {config.name}?", refusal)
        theirs = run_blocking(lambda: _tokenized(ledger, config, job.model, file, rows))
    ours = islice(read_rows(path, "supervised"), len(theirs))
    compared = tuple(_compared(mine, other, renderer) for mine, other in zip(ours, theirs, strict=False))
    return EndpointPreview(path, config.name, job.model, base, compared)


def _previewable(job: JobFile, config: EndpointConfig) -> Path:
    config.require_usable()
    if not capabilities_of(config).previews:
        problem = "it does not show how it turns rows into tokens; leave out --endpoint"
        raise PreviewNotPossible(endpoint=config.name, problem=problem)
    if job.method.type != "supervised":
        problem = f"it previews supervised data only, and this job's method is {job.method.type}"
        raise PreviewNotPossible(endpoint=config.name, problem=problem)
    if job.training_path is None:
        raise DataBehindAddress(path=job.source, address=job.training_place)
    return job.training_path


def _is_there(ledger: Ledger, config: EndpointConfig, file: DataFile) -> bool:
    with ledger.database.read() as connection:
        known = uploads.find(connection, config.name, TRAINING, file.sha256)
    return known is not None and known.file_id is not None


async def _tokenized(
    ledger: Ledger, config: EndpointConfig, model: str, file: DataFile, rows: int
) -> list[TokenizedRow]:
    async with visit_endpoint(config, ledger.workspace.home) as endpoint:
        assert endpoint.estimates is not None
        owner = new_owner(random.SystemRandom())
        context = Context(database=ledger.database, config=config, owner=owner, clock=Clock(), endpoint=endpoint)
        while isinstance(found := await file_on_endpoint(context, file.path, file.sha256), Wait):
            await asyncio.sleep(max(0.0, min(found.until - context.now(), config.poll_seconds)))
        return await endpoint.estimates.preview(model, found, rows)


def _compared(mine: Row, other: TokenizedRow, renderer: Renderer) -> RowComparison:
    theirs = Tokens(list(other.ids), list(other.learned))
    if mine.example is None:
        return RowComparison(mine.line, None, theirs, other.is_cut, problem=mine.problem)
    try:
        rendered = renderer.supervised(mine.example)
    except CannotRender as error:
        return RowComparison(mine.line, None, theirs, other.is_cut, problem=str(error.facts["reason"]))
    ours = Tokens(rendered.ids, rendered.learned)
    return compare_row(mine.line, ours, theirs, renderer.decode, is_cut=other.is_cut)
