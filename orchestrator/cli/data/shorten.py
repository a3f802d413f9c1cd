"""`data shorten`: shorter tool definitions, for fewer prompt tokens."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

_LEVELS = ("descriptions", "parameters", "tools")


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--level", type=click.Choice(_LEVELS), required=True, help="What to drop; each drops more.")
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    required=True,
    help="The new file; for several FILEs, or with a / behind, a folder.",
)
@click.option("--model", metavar="MODEL", help="Count tokens as this model does.")
@click.option("--force", is_flag=True, help="Replace files that are there already.")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def shorten(
    files: tuple[Path, ...], level: str, output: str, model: str | None, force: bool, as_json: bool
) -> None:
    """Write FILEs with shorter tool definitions, and show what that saves.

    \b
    descriptions   drop what describes functions and their parameters
    parameters     drop the parameters too; names remain
    tools          drop the tools altogether

    A model must be used with the definitions it was trained on: shorten training, validation and evaluation files
    together, and send the same definitions when you call the model.
    """
    from orchestrator.dataset.shorten import shorten_files

    done = shorten_files(_targets(files, output), level, model=model, replace=force)  # type: ignore[arg-type]
    if as_json:
        from orchestrator.cli.records import print_json
        from orchestrator.reports.shortened import shortened_object

        print_json([shortened_object(each) for each in done])
    else:
        from orchestrator.reports.console import stdout
        from orchestrator.reports.shortened import print_shortened

        print_shortened(done, stdout())


def _targets(files: tuple[Path, ...], output: str) -> dict[Path, Path]:
    folder = Path(output)
    if len(files) == 1 and not output.endswith("/") and not folder.is_dir():
        return {files[0]: folder}
    name, count = Counter(file.name for file in files).most_common(1)[0]
    if count > 1:
        raise click.UsageError(f"{count} of the files are called {name}; shorten them one by one")
    return {file: folder / file.name for file in files}
