"""`data check`: what is wrong with training files, where, and how to put it right."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.completion import complete_endpoint

if TYPE_CHECKING:
    from orchestrator.dataset.methods import Method, Purpose


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option(
    "--for",
    "endpoint",
    metavar="ENDPOINT",
    shell_complete=complete_endpoint,
    help="Say what this endpoint refuses, too: its name, or openai, azure, local, compatible.",
)
@click.option("--model", help="The base model: how long an example may be, and how its tokens are counted.")
@click.option(
    "--purpose",
    type=click.Choice(["training", "validation", "evaluation"]),
    help="What the files are for. Without it their names tell: train, valid, eval, test.",
)
@click.option(
    "--method",
    type=click.Choice(["supervised", "dpo", "reinforcement"]),
    help="What an example must look like. Without it the rows tell.",
)
@click.option("--all", "show_all", is_flag=True, help="Print every finding, not the first five of each kind.")
@click.option("--strict", is_flag=True, help="Leave with 1 where there are warnings, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one object, with every finding.")
@click.pass_context
def check(
    ctx: click.Context,
    files: tuple[Path, ...],
    endpoint: str | None,
    model: str | None,
    purpose: Purpose | None,
    method: Method | None,
    show_all: bool,
    strict: bool,
    as_json: bool,
) -> None:
    """Find what is wrong with training FILEs before they cost money.

    A FILE is JSONL, or a job file (.toml): then its data files are checked, for its method and model. Files given
    together are compared with each other. Leaves with 0 where there is no error, 1 where there is one, and 2 where
    the command itself was wrong.
    """
    from orchestrator.dataset.checking.filesets import check_files
    from orchestrator.dataset.checking.sources import Wishes
    from orchestrator.reports.checking import announced
    from orchestrator.reports.findings import findings_json, print_findings, totals

    wishes = Wishes(endpoint, model, purpose, method)
    with announced() as announce:
        checked = check_files(files, wishes, keep_all=show_all or as_json, announce=announce)
    if as_json:
        sys.stdout.writelines(f"{line}\n" for line in findings_json(checked))
    else:
        from orchestrator.reports.console import stdout

        print_findings(checked, stdout(), show_all=show_all)
    errors, warnings = totals(checked)
    if errors or (strict and warnings):
        ctx.exit(1)
