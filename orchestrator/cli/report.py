"""`report`: what is recorded, as one file to pass on."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.completion import complete_run


@click.command()
@click.argument(
    "keys", nargs=-1, required=True, metavar="RUN|SWEEP|EVALUATION|FILE...", shell_complete=complete_run
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write to FILE.html, .md, .csv, .json, .svg or .png.  [default: print Markdown]",
)
@click.option("--force", is_flag=True, help="Replace an existing .md, .csv or .json file.")
def report(keys: tuple[str, ...], output: Path | None, force: bool) -> None:
    """Write a run, sweep, evaluation or comparison as one file.

    \b
    ftorch report drone -o drone.html           losses, settings, history
    ftorch report hs3cpjas 39j1n4wv -o two.md   two runs side by side
    ftorch report train.jsonl -o data.html      findings, tokens, functions

    The ending of FILE decides the form: .html has charts and needs no script and no network, .csv has one row for
    each step, trial, model or run, and .svg and .png have the losses. Paths are relative to the project. Only .png
    needs the extra plots.
    """
    from orchestrator.api.reporting import record_of
    from orchestrator.ledger import open_ledger
    from orchestrator.reports.documents.choosing import document_of
    from orchestrator.reports.documents.files import require_writable, write_document
    from orchestrator.reports.documents.places import without_places

    if output is not None:
        require_writable(output, force=force)
    with open_ledger() as ledger:
        document = without_places(document_of(record_of(ledger, keys)), ledger.workspace.root)
    if output is None:
        from orchestrator.reports.documents.markdown import markdown

        click.echo(markdown(document), nl=False)
        return
    write_document(document, output)
    click.echo(f"wrote {output}", err=True)
