"""`data preview`: rows as an open-weights model is trained on them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.completion import complete_base, complete_endpoint
from orchestrator.cli.definitions import DROPS, parse_cut

if TYPE_CHECKING:
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
@click.option(
    "--endpoint",
    metavar="NAME",
    shell_complete=complete_endpoint,
    help="Compare the first rows with how this endpoint turns them into tokens.",
)
@click.option(
    "--rows",
    type=click.IntRange(1, 50),
    default=5,
    show_default=True,
    metavar="N",
    help="With --endpoint: compare this many rows.",
)
@click.option("--yes", is_flag=True, help="With --endpoint: upload the file without asking.")
@click.option("--full", is_flag=True, help="Show long contexts whole, not only their start and end.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object, with the ids of all tokens.")
@click.pass_context
def preview(
    ctx: click.Context,
    source: Path,
    model: str | None,
    line: int | None,
    drop: Cut | None,
    endpoint: str | None,
    rows: int,
    yes: bool,
    full: bool,
    as_json: bool,
) -> None:
    """Show what an open-weights model learns from a row.

    FILE is JSONL, or a job file (.toml) whose training file and model are used. Shows one row as the model's chat
    template renders it, learned tokens apart from context, then the lengths of all rows and those that can't be
    used. Lines that are learned begin with ">".

    With --endpoint, FILE is a job file. Compares the first rows of its training file with the tokens there.
    The file is uploaded if the endpoint doesn't have it; nothing is paid.

    Exits with status 0 if every row can be used, and with --endpoint is learned alike; otherwise 1.
    """
    if endpoint is not None:
        _preview_there(ctx, source, endpoint, model, rows, yes=yes, as_json=as_json)
        return
    from orchestrator.api.datapreview import subject_of
    from orchestrator.dataset.preview.row import preview_row
    from orchestrator.dataset.rendering.renderer import open_renderer
    from orchestrator.reports.preview import preview_object, print_file_preview, print_row_preview
    from orchestrator.reports.text import stdout

    subject, base = subject_of(source, model, drop)
    renderer = open_renderer(base.folder)
    row = preview_row(subject, renderer, line)
    if not as_json:
        print_row_preview(subject, base, renderer, row, stdout(), full=full)
    found = _preview_file(subject, renderer)
    if as_json:
        from orchestrator.cli.output import print_json

        print_json(preview_object(subject, base, renderer, row, found))
    else:
        print_file_preview(subject, renderer, found, stdout())
    if row.problem or not found.is_usable:
        ctx.exit(1)


def _preview_there(
    ctx: click.Context, source: Path, endpoint: str, model: str | None, rows: int, *, yes: bool, as_json: bool
) -> None:
    from orchestrator.api.previewing import preview_there
    from orchestrator.cli.output import print_json
    from orchestrator.cli.terminal import terminal
    from orchestrator.dataset.checking.filesets import JOB_SUFFIX
    from orchestrator.reports.endpointpreview import endpoint_preview_object, print_endpoint_preview
    from orchestrator.reports.text import stdout

    if source.suffix != JOB_SUFFIX:
        raise click.UsageError(f"--endpoint needs a job file (.toml), which names the base model; {source} is none")
    with terminal(yes=yes) as host:
        found = preview_there(source, host, endpoint=endpoint, model=model, rows=rows)
        if as_json:
            print_json(endpoint_preview_object(found))
        else:
            print_endpoint_preview(found, stdout())
    if not found.is_learned_alike:
        ctx.exit(1)


def _preview_file(rows: Rows, renderer: Renderer) -> FilePreview:
    from orchestrator.dataset.checking.filesets import Source
    from orchestrator.dataset.preview.file import preview_file
    from orchestrator.reports.progress import announced

    with announced() as announce:
        if announce:
            announce(Source(rows.path, rows.purpose))
        return preview_file(rows, renderer)
