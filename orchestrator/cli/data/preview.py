"""`data preview`: rows as an open-weights model is trained on them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.completion import complete_base
from orchestrator.cli.definitions import DROPS, parse_cut

if TYPE_CHECKING:
    from orchestrator.dataset.checking.rendering import Base
    from orchestrator.dataset.preview.file import FilePreview
    from orchestrator.dataset.preview.row import Rows
    from orchestrator.dataset.rendering.renderer import Renderer
    from orchestrator.dataset.shorten import Cut


@click.command()
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--model",
    metavar="MODEL",
    shell_complete=complete_base,
    help="Render for this model: a name of [models], a folder, or a Hugging Face id.  [default: the job file's]",
)
@click.option(
    "--line",
    type=click.IntRange(1),
    metavar="N",
    help="Show the row on this line.  [default: the first without errors]",
)
@click.option("--drop", type=parse_cut, metavar="WHAT,…", help=f"Leave out of the definitions: {DROPS}.")
@click.option("--full", is_flag=True, help="Show long contexts whole, not only their start and end.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object, with the ids of all tokens.")
@click.pass_context
def preview(
    ctx: click.Context,
    source: Path,
    model: str | None,
    line: int | None,
    drop: Cut | None,
    full: bool,
    as_json: bool,
) -> None:
    """Show what an open-weights model learns from a row.

    FILE is JSONL, or a job file (.toml) whose training file and model are used. Shows one row as the model's chat
    template renders it, learned tokens apart from context, then the lengths of all rows and those that can't be
    used. Lines that are learned begin with ">".

    Exits with status 0 if every row can be used, and 1 if one can't.
    """
    from orchestrator.dataset.preview.row import preview_row
    from orchestrator.dataset.rendering.renderer import open_renderer
    from orchestrator.reports.preview import preview_object, print_file_preview, print_row_preview
    from orchestrator.reports.text import stdout

    rows, base = _subject(source, model, drop)
    renderer = open_renderer(base.folder)
    row = preview_row(rows, renderer, line)
    if not as_json:
        print_row_preview(rows, base, renderer, row, stdout(), full=full)
    found = _preview_file(rows, renderer)
    if as_json:
        from orchestrator.cli.output import print_json

        print_json(preview_object(rows, base, renderer, row, found))
    else:
        print_file_preview(rows, renderer, found, stdout())
    if row.problem or not found.is_usable:
        ctx.exit(1)


def _preview_file(rows: Rows, renderer: Renderer) -> FilePreview:
    from orchestrator.dataset.checking.filesets import Source
    from orchestrator.dataset.preview.file import preview_file
    from orchestrator.reports.progress import announced

    with announced() as announce:
        if announce:
            announce(Source(rows.path, rows.purpose))
        return preview_file(rows, renderer)


def _subject(source: Path, model: str | None, drop: Cut | None) -> tuple[Rows, Base]:
    """The rows to show, and the model to render them for."""
    from orchestrator.config import find_workspace
    from orchestrator.dataset.checking.filesets import JOB_SUFFIX, purpose_in_name
    from orchestrator.dataset.preview.row import Rows
    from orchestrator.dataset.shorten import CUTS
    from orchestrator.endpoints.basefolders import require_base
    from orchestrator.errors import NoModelToPreview

    if source.suffix == JOB_SUFFIX:
        return _subject_of_job(source, model, drop or CUTS["full"])
    if model is None:
        raise NoModelToPreview(path=source)
    rows = Rows(source, purpose_in_name(source) or "training", None, drop or CUTS["full"])
    return rows, require_base(model, find_workspace())


def _subject_of_job(source: Path, model: str | None, cut: Cut) -> tuple[Rows, Base]:
    from orchestrator.config import find_workspace
    from orchestrator.dataset.preview.row import Rows
    from orchestrator.endpoints.basefolders import base_of_job, require_base
    from orchestrator.errors import DataBehindAddress, NoModelToPreview
    from orchestrator.jobfile import load_job_file

    job = load_job_file(source)
    if job.training_path is None:
        raise DataBehindAddress(path=source, address=job.training_place)
    base = require_base(model, find_workspace()) if model else base_of_job(job)
    if base is None:
        raise NoModelToPreview(path=source)
    return Rows(job.training_path, "training", job.method.type, cut), base
