"""`data stats`: what training files hold, in figures."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--model", metavar="MODEL", help="Count tokens as this model does.")
@click.option("--all", "show_all", is_flag=True, help="Print every function, not the 50 most called.")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def stats(files: tuple[Path, ...], model: str | None, show_all: bool, as_json: bool) -> None:
    """Count what FILEs hold: messages, tokens, and what their calls show of each function.

    GIVEN says how often an argument was given and how often it could have been; a ? marks optional ones. VALUES
    counts the different ones, and ENUM those of an enum's values that some call shows. Lines with errors are left
    out.
    """
    from orchestrator.dataset.stats import statistics_of
    from orchestrator.reports.statistics import print_statistics, statistics_object

    if as_json:
        from orchestrator.cli.records import print_json

        print_json([statistics_object(statistics_of(file, model)) for file in files])
        return
    from orchestrator.reports.console import stdout

    console = stdout()
    for index, file in enumerate(files):
        if index:
            console.print()
        print_statistics(statistics_of(file, model), console, show_all=show_all)
