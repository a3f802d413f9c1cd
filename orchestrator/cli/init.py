"""`init`: a first job file for the user's data."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.completion import complete_endpoint
from orchestrator.cli.output import noted_model, print_json


@click.command()
@click.argument("data", metavar="DATA", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "job_file",
    metavar="JOB",
    type=click.Path(path_type=Path),
    default="job.toml",
    show_default=True,
    help="Write this job file.",
)
@click.option(
    "--endpoint", metavar="NAME", shell_complete=complete_endpoint, help="Train on this endpoint.  [default: local]"
)
@click.option(
    "--model", metavar="MODEL", callback=noted_model, help="Train this base model.  [default: chosen from the data]"
)
@click.option("--name", metavar="NAME", help="Name the job and its runs.  [default: from the data]")
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as a JSON object.")
def init(
    data: Path,
    job_file: Path,
    endpoint: str | None,
    model: str | None,
    name: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Write a job file for your data, and print the next commands.

    DATA is JSONL; nothing is sent. The method, the model and a name are chosen from it. If it has no errors and
    enough examples, it is divided into files for training, validation and evaluation, in a folder beside the job
    file; DATA stays as it is. Validation and evaluation files beside DATA are used instead.
    """
    from orchestrator.api.init import InitOptions, init as start
    from orchestrator.reports.init import print_started, started_object
    from orchestrator.reports.text import stdout

    started = start(data, job_file, InitOptions(endpoint, model, name, force))
    if as_json:
        print_json(started_object(started))
    else:
        print_started(started, stdout())
