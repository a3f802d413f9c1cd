"""`data split`: one file into training, validation and evaluation files."""

from __future__ import annotations

from pathlib import Path

import click

_SHARE = click.FloatRange(0, 1, max_open=True)


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--validation", metavar="SHARE", type=_SHARE, default=0.1, show_default=True, help="The share to validate with."
)
@click.option(
    "--evaluation", metavar="SHARE", type=_SHARE, default=0.1, show_default=True, help="The share to evaluate with."
)
@click.option(
    "--seed", metavar="N", type=int, default=0, show_default=True, help="Another number gives another split."
)
@click.option(
    "-o",
    "--output",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder for train.jsonl, validation.jsonl, evaluation.jsonl.  [default: FILE without its ending]",
)
@click.option("--force", is_flag=True, help="Replace files that are there already.")
@click.option("--json", "as_json", is_flag=True, help="Print one object.")
def split(
    file: Path, validation: float, evaluation: float, seed: int, folder: Path | None, force: bool, as_json: bool
) -> None:
    """Divide FILE into training, validation and evaluation files.

    Each called function is in all of them in the same proportion, as nearly as whole examples allow. Examples with
    equal or nearly equal prompts stay in one file, so that a model is not measured on what it was trained on. Lines
    are copied as they are. A share of 0 leaves a file out.
    """
    if not 0 < validation + evaluation < 1:
        raise click.UsageError("--validation and --evaluation together must be above 0 and below 1")
    from orchestrator.dataset.split import split_file

    target = folder or (file.with_suffix("") if file.suffix else file.with_name(f"{file.name}-split"))
    done = split_file(file, target, validation=validation, evaluation=evaluation, seed=seed, replace=force)
    if as_json:
        from orchestrator.cli.records import print_json
        from orchestrator.reports.split import split_object

        print_json(split_object(done))
    else:
        from orchestrator.reports.console import stdout
        from orchestrator.reports.split import print_split

        print_split(done, stdout())
