"""Previewing a data file as an open-weights model is trained on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.config import find_workspace
from orchestrator.dataset.checking.filesets import JOB_SUFFIX, purpose_in_name
from orchestrator.dataset.checking.rendering import Base
from orchestrator.dataset.preview.file import FilePreview, preview_file
from orchestrator.dataset.preview.row import RowPreview, Rows, preview_row
from orchestrator.dataset.rendering.renderer import Renderer, open_renderer
from orchestrator.dataset.shorten import CUTS, Cut
from orchestrator.endpoints.basefolders import base_of_job, require_base
from orchestrator.errors import DataBehindAddress, NoModelToPreview


@dataclass(frozen=True)
class DataPreview:
    """One row as the model reads it, and the lengths of all rows."""

    rows: Rows
    base: Base
    renderer: Renderer
    row: RowPreview
    file: FilePreview


def preview_data(source: Path, model: str | None = None, line: int | None = None) -> DataPreview:
    """Render the row on `line`, or the first one without errors, and measure all rows. `source` is JSONL, or a job
    file whose training file and model are used.

    Raises what `subject_of`, `open_renderer` and `preview_row` raise.
    """
    rows, base = subject_of(source, model, None)
    renderer = open_renderer(base.folder)
    row = preview_row(rows, renderer, line)
    return DataPreview(rows, base, renderer, row, preview_file(rows, renderer))


def subject_of(source: Path, model: str | None, drop: Cut | None) -> tuple[Rows, Base]:
    """The rows to show, and the model to render them for. Raises NoModelToPreview, NoSuchBase, DataBehindAddress,
    and the errors of job files and model folders."""
    cut = drop or CUTS["full"]
    if source.suffix == JOB_SUFFIX:
        return _subject_of_job(source, model, cut)
    if model is None:
        raise NoModelToPreview(path=source)
    return Rows(source, purpose_in_name(source) or "training", None, cut), require_base(model, find_workspace())


def _subject_of_job(source: Path, model: str | None, cut: Cut) -> tuple[Rows, Base]:
    from orchestrator.jobfile import load_job_file  # loads pydantic, which JSONL alone does not need

    job = load_job_file(source)
    if job.training_path is None:
        raise DataBehindAddress(path=source, address=job.training_place)
    base = require_base(model, find_workspace()) if model else base_of_job(job)
    if base is None:
        raise NoModelToPreview(path=source)
    return Rows(job.training_path, "training", job.method.type, cut), base
